/** The commands that collect garbage, beside a registry that serves the same folder. */
import { writeFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { MediaType } from '../../src/core/media-type.ts'
import { runEntrepot } from '../support/command.ts'
import { startEntrepot } from '../support/entrepot-process.ts'
import { descriptorOf, imageJson, payloadOf } from '../support/manifest-json.ts'
import { RegistryClient } from '../support/registry-client.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const MINUTES_2 = 120_000

const image = Buffer.from(
  payloadOf(imageJson({ config: descriptorOf('config'), layers: [descriptorOf('layer')] })),
)
const garbage = Buffer.from('of no manifest')

test('what a dry run says is what is deleted, and the registry serves the rest', async () => {
  await using folder = await temporaryFolder()
  const maintenance = { gc: { enabled: true, schedule: 'never', grace: '0s' } }
  const options = {
    dataFolder: `${folder.path}/data`,
    configFolder: folder.path,
    config: { http: { addr: '127.0.0.1:0' } },
  }
  const storage = { filesystem: { rootdirectory: options.dataFolder }, maintenance }
  await using registry = await startEntrepot({ ...options, config: { ...options.config, storage } })
  const client = new RegistryClient(registry.url)
  for (const blob of ['config', 'layer', garbage]) await client.pushBlob('a', Buffer.from(blob))
  const headers = { 'content-type': MediaType.ociManifest }
  const put = await fetch(`${registry.url}/v2/a/manifests/v1`, { method: 'PUT', headers, body: image })
  expect(put.status).toBe(201)
  const file = `${folder.path}/gc.yml`
  await writeFile(file, JSON.stringify({ version: 0.1, storage, http: { addr: '127.0.0.1:0' } }))

  const line = `${digestOf(garbage)} ${garbage.length} bytes: no manifest refers to it\n`
  const dry = await runEntrepot(['garbage-collect', '-d', file], { timeoutMs: MINUTES_2 })
  expect(dry).toMatchObject({ code: 0, stderr: '' })
  expect(dry.stdout).toBe(`${line}1 of 4 blobs would be deleted, 14 bytes\n`)
  const real = await runEntrepot(['gc', file, '--json'], { timeoutMs: MINUTES_2 })
  expect(real).toMatchObject({ code: 0, stderr: '' })
  const [deleted, total] = real.stdout
    .trim()
    .split('\n')
    .map((one) => JSON.parse(one))
  expect(deleted).toMatchObject({ action: 'delete', digest: digestOf(garbage), bytes: garbage.length })
  expect(total).toMatchObject({ action: 'total', dryRun: false, blobs: 4, deletedBlobs: 1, findings: [] })
  const blob = (bytes: Buffer | string) => fetch(`${registry.url}/v2/a/blobs/${digestOf(Buffer.from(bytes))}`)
  expect((await blob(garbage)).status).toBe(404)
  expect(await (await blob('layer')).text()).toBe('layer')
})

test('nothing is collected where the registries do not know of it', async () => {
  await using folder = await temporaryFolder()
  const file = `${folder.path}/config.yml`
  const storage = { filesystem: { rootdirectory: `${folder.path}/data` } }
  await writeFile(file, JSON.stringify({ version: 0.1, storage, http: { addr: '127.0.0.1:0' } }))
  const refused = await runEntrepot(['gc', file])
  expect(refused.code).toBe(1)
  expect(refused.stderr).toContain('storage.maintenance.gc.enabled is false')
  expect((await runEntrepot(['gc', file, '--dry-run'])).code).toBe(0)
  expect((await runEntrepot(['gc', file, '--grace', 'soon'])).code).toBe(2)
})
