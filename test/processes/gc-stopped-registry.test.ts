/** A registry that is stopped by a signal while an image is pushed to it, and goes on after a collection has deleted what that image needs. */
import { existsSync } from 'node:fs'
import { writeFile } from 'node:fs/promises'
import { setImmediate } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { MediaType } from '../../src/core/media-type.ts'
import type { RepositoryName } from '../../src/core/reference.ts'
import { blobPath, RepositoryPaths } from '../../src/registry/paths.ts'
import { runEntrepot } from '../support/command.ts'
import { startEntrepot } from '../support/entrepot-process.ts'
import { descriptorOf, imageJson, payloadOf } from '../support/manifest-json.ts'
import { RegistryClient } from '../support/registry-client.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const MINUTES_2 = 120_000
/** It is stopped too late if its next write is there already. */
const MAX_ATTEMPTS = 200

test('a push that stands still while its blobs are deleted is not acknowledged', async () => {
  await using folder = await temporaryFolder()
  const dataFolder = `${folder.path}/data`
  const maintenance = { gc: { enabled: true, schedule: 'never', grace: '0s' } }
  const storage = { filesystem: { rootdirectory: dataFolder }, maintenance }
  const config = { http: { addr: '127.0.0.1:0' }, storage }
  const file = `${folder.path}/gc.yml`
  await writeFile(file, JSON.stringify({ version: 0.1, ...config }))
  await using registry = await startEntrepot({ dataFolder, configFolder: folder.path, config })
  const client = new RegistryClient(registry.url)
  const push = async (name: string) => {
    for (const blob of [`config of ${name}`, `layer of ${name}`])
      await client.pushBlob('a', Buffer.from(blob))
    const headers = { 'content-type': MediaType.ociManifest }
    const body = imageOf(name)
    return () => fetch(`${registry.url}/v2/a/manifests/${name}`, { method: 'PUT', headers, body })
  }

  const { name, answer } = await stopWithin(push, { dataFolder, pid: registry.pid })
  const collected = await runEntrepot(['gc', file, '--json', '--quiet'], { timeoutMs: MINUTES_2 })
  expect(collected).toMatchObject({ code: 0, stderr: '' })
  expect(collected.stdout).toContain(digestOf(Buffer.from(`layer of ${name}`)))
  process.kill(registry.pid, 'SIGCONT')
  const refused = await answer
  expect(refused.status).toBe(400)
  expect(await refused.text()).toContain('MANIFEST_BLOB_UNKNOWN')
  // As clients do then.
  const again = await push(name)
  expect((await again()).status).toBe(201)
  expect((await runEntrepot(['verify', `a:${name}`, file], { timeoutMs: MINUTES_2 })).code).toBe(0)
})

function imageOf(name: string): Buffer {
  const layers = [descriptorOf(`layer of ${name}`)]
  return Buffer.from(payloadOf(imageJson({ config: descriptorOf(`config of ${name}`), layers })))
}

/** Stops the registry between two writes of a push: the bytes of the manifest are there, and nothing names them.
 *  @returns the tag, and the answer that is still to come */
async function stopWithin(
  push: (name: string) => Promise<() => Promise<Response>>,
  { dataFolder, pid }: { dataFolder: string; pid: number },
): Promise<{ name: string; answer: Promise<Response> }> {
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
    const name = `image-${attempt}`
    const put = await push(name)
    const digest = digestOf(imageOf(name))
    const answer = put()
    while (!existsSync(dataFolder + blobPath(digest))) await setImmediate()
    process.kill(pid, 'SIGSTOP')
    const { revisions } = new RepositoryPaths('a' as RepositoryName)
    if (!existsSync(`${dataFolder}${revisions}/${digest.replace(':', '/')}/link`)) return { name, answer }
    process.kill(pid, 'SIGCONT')
    expect((await answer).status).toBe(201)
  }
  throw new Error('the registry was always stopped too late')
}
