/** The commands for repositories as a whole, beside a registry that serves the same folder. */
import { readFile, writeFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { digestOfImage, pushLayers, putImage } from './lifecycle/support.ts'
import { runEntrepot } from './support/command.ts'
import { startEntrepot } from './support/entrepot-process.ts'
import { EventReceiver } from './support/event-receiver.ts'
import { RegistryClient } from './support/registry-client.ts'
import { temporaryFolder } from './support/temporary-folder.ts'

test('a repository is deleted and put back, and the registry that serves sees it', async () => {
  await using folder = await temporaryFolder()
  const dataFolder = `${folder.path}/data`
  await using receiver = await EventReceiver.start()
  const endpoint = { name: 'receiver', url: receiver.url, timeout: '20s' }
  const config = {
    policies: { history: { enabled: true } },
    notifications: { endpoints: [{ ...endpoint, ignore: { actions: ['pull'] } }] },
  }
  await using registry = await startEntrepot({ dataFolder, configFolder: folder.path, config })
  await pushLayers(new RegistryClient(registry.url), 'team/app')
  expect((await putImage(registry.url, 'team/app:v1', 'image')).status).toBe(201)
  const file = `${folder.path}/commands.yml`
  const storage = { filesystem: { rootdirectory: dataFolder }, cache: { blobdescriptor: 'none' } }
  const auth = { audit: { path: `${folder.path}/audit.log` } }
  await writeFile(file, JSON.stringify({ version: 0.1, ...config, storage, auth }))
  const manifest = () => fetch(`${registry.url}/v2/team/app/manifests/v1`)

  const deleted = await runEntrepot(['repository', 'delete', 'team/app', file])
  expect(deleted).toMatchObject({ code: 0, stderr: '' })
  expect(deleted.stdout).toMatch(
    /^deleted team\/app: 1 tags, 1 manifests; can be undone until \S+ by its id \S+\n$/,
  )
  expect((await manifest()).status).toBe(404)
  const { stdout } = await runEntrepot(['repository', 'deletions', 'team/app', file])
  expect(stdout).toMatch(/^\S+ repository 1 tags, 1 manifests \(by nobody known, command; until \S+\)\n$/)
  const changes = await runEntrepot(['repository', 'changes', 'team/app', file])
  expect(changes.stdout).toMatch(
    /^\S+ removed v1 sha256:\S+ .*\n\S+ set v1 sha256:\S+ \(at \S+ by nobody known, request\)\n$/,
  )
  const restored = await runEntrepot(['repository', 'restore', 'team/app', file, '--json'])
  expect(JSON.parse(restored.stdout)).toMatchObject({
    tags: [{ tag: 'v1', digest: digestOfImage('image') }],
    manifests: [digestOfImage('image')],
    conflicts: [],
    lost: [],
  })
  expect((await manifest()).status).toBe(200)
  const usage = await runEntrepot(['usage', file, '--count', '--json'])
  expect(JSON.parse(usage.stdout.split('\n')[0] ?? '')).toMatchObject({
    kind: 'organisation',
    name: 'team',
    tags: 1,
  })
  expect((await runEntrepot(['repository', 'restore', 'team/app', file])).stderr).toContain(
    'nothing of team/app',
  )
  expect((await runEntrepot(['repository', 'delete', 'nobody', file])).code).toBe(1)
  const told = () => receiver.events.map(({ action, target: { tag } }) => `${action} ${tag}`)
  await expect.poll(() => told().filter((one) => one === 'push v1').length).toBe(2)
  expect(told()).toContain('delete v1')
  // Standard output has what the command prints.
  const toOutput = { environment: { REGISTRY_AUTH_AUDIT_PATH: 'stdout' } }
  const refused = await runEntrepot(['repository', 'delete', 'nobody', file], toOutput)
  expect(refused).toMatchObject({ stdout: '', stderr: expect.stringContaining('"outcome":"failed"') })
  const audit = (await readFile(auth.audit.path, 'utf8')).trim().split('\n')
  expect(audit.map((line) => JSON.parse(line))).toMatchObject([
    { action: 'delete', repository: 'team/app', outcome: 'done' },
    { action: 'restore', repository: 'team/app', outcome: 'done' },
    { action: 'delete', repository: 'nobody', outcome: 'failed' },
  ])
})
