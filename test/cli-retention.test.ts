/** The commands of retention, beside a registry that serves the same folder. */
import { readFile, writeFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { ageTag, DAY_MS } from './lifecycle/aged-tags.ts'
import { digestOfImage, imageCalled, pushLayers, putImage } from './lifecycle/support.ts'
import { runEntrepot } from './support/command.ts'
import { startEntrepot } from './support/entrepot-process.ts'
import { RegistryClient } from './support/registry-client.ts'
import { temporaryFolder } from './support/temporary-folder.ts'

const rules = [
  { repositories: ['team/*'], tags: ['pr-*'], keep: { newest: 1 }, delete: { olderthan: '24h' } },
]

test('preview says what run removes, and the registry serves the rest', async () => {
  await using folder = await temporaryFolder()
  const dataFolder = `${folder.path}/data`
  const config = { policies: { retention: { schedule: 'never', rules } } }
  await using registry = await startEntrepot({ dataFolder, configFolder: folder.path, config })
  await pushLayers(new RegistryClient(registry.url), 'team/app')
  for (const [index, tag] of ['pr-1', 'pr-2', 'pr-3', 'v1'].entries()) {
    expect((await putImage(registry.url, `team/app:${tag}`, `image ${index === 1 ? 1 : 0}`)).status).toBe(201)
    await ageTag(dataFolder, `team/app:${tag}`, (10 - index) * DAY_MS)
  }
  const file = `${folder.path}/retention.yml`
  const storage = { filesystem: { rootdirectory: dataFolder } }
  const auth = { audit: { path: `${folder.path}/audit.log` } }
  const http = { addr: '127.0.0.1:0' }
  await writeFile(file, JSON.stringify({ version: 0.1, storage, http, auth, ...config }))
  const tagsOf = async () => {
    const list = await (await fetch(`${registry.url}/v2/team/app/tags/list`)).json()
    return (list as { tags: string[] }).tags
  }

  const preview = await runEntrepot(['retention', 'preview', file])
  expect(preview).toMatchObject({ code: 0, stderr: '' })
  // The layers of the two images are the same.
  const ownBytes = imageCalled('image 1').length
  const lines = preview.stdout.trim().split('\n')
  expect(lines).toEqual([
    expect.stringMatching(
      `^remove team/app:pr-1 ${digestOfImage('image 0')} set .*Z \\(rule 1: older than 24h\\), 0 bytes its own$`,
    ),
    expect.stringMatching(
      `^remove team/app:pr-2 ${digestOfImage('image 1')} set .*Z \\(rule 1: older than 24h\\), ${ownBytes} bytes its own$`,
    ),
    `2 of 4 tags in 1 repositories would be removed, ${ownBytes} bytes that no other tag has`,
  ])
  expect(await tagsOf()).toEqual(['pr-1', 'pr-2', 'pr-3', 'v1'])
  const planned = await runEntrepot(['retention', 'preview', file, '--json', '--all'])
  const run = await runEntrepot(['retention', 'run', file, '--json', '--all'])
  expect(run).toMatchObject({ code: 0, stderr: '' })
  const parsed = ({ stdout }: { stdout: string }) =>
    stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line))
  const total = { action: 'total', repositories: 1, tags: 4, kept: 2, removed: 2, changed: 0, failed: 0 }
  const sizes = { bytes: ownBytes, unreadable: 0 }
  expect(parsed(run)).toEqual([...parsed(planned).slice(0, -1), { ...total, ...sizes, dryRun: false }])
  expect(parsed(planned)[1]).toMatchObject({ action: 'remove', tag: 'pr-2', bytes: ownBytes })
  expect(parsed(run)[2]).toMatchObject({
    action: 'keep',
    tag: 'pr-3',
    rule: 0,
    reason: 'one of the newest 1 of pr-*',
  })
  expect(await tagsOf()).toEqual(['pr-3', 'v1'])
  const audit = (await readFile(auth.audit.path, 'utf8')).trim().split('\n')
  expect(audit.map((line) => JSON.parse(line))).toMatchObject(
    [
      ['pr-1', digestOfImage('image 0')],
      ['pr-2', digestOfImage('image 1')],
    ].map(([tag, digest]) => ({ action: 'retention', repository: 'team/app', tags: [tag], digest })),
  )
  const image = await fetch(`${registry.url}/v2/team/app/manifests/${digestOfImage('image 0')}`)
  expect(image.status).toBe(200)
})

test('nothing is removed without rules, from a registry that is read-only, or by a mistyped command', async () => {
  await using folder = await temporaryFolder()
  const file = `${folder.path}/config.yml`
  const write = (policies: object, maintenance: object) => {
    const storage = { filesystem: { rootdirectory: `${folder.path}/data` }, maintenance }
    return writeFile(file, JSON.stringify({ version: 0.1, storage, policies }))
  }
  await write({}, {})
  const without = await runEntrepot(['retention', 'run', file])
  expect([without.code, without.stderr]).toEqual([
    1,
    expect.stringContaining('policies.retention.rules is empty'),
  ])
  await write({ retention: { rules } }, { readonly: { enabled: true } })
  const readOnly = await runEntrepot(['retention', 'run', file])
  expect([readOnly.code, readOnly.stderr]).toEqual([1, expect.stringContaining('readonly.enabled is true')])
  expect((await runEntrepot(['retention', file])).code).toBe(2)
})
