/** The examples of docs/notifications.md and examples/notifications.yml, with real receivers in place of theirs. */
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { HTTP } from 'cloudevents'
import { Webhook } from 'standardwebhooks'
import { expect, test } from 'vitest'
import { parse } from 'yaml'
import { entrepotMain, runEntrepot } from '../support/command.ts'
import { listeningUrl, startEntrepot } from '../support/entrepot-process.ts'
import { EventReceiver } from '../support/event-receiver.ts'
import { gzippedLayer, imageOf } from '../support/oci-image.ts'
import { RegistryClient } from '../support/registry-client.ts'
import { ServerProcess } from '../support/server-process.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const PAGE = new URL('../../docs/notifications.md', import.meta.url)
const EXAMPLE = fileURLToPath(new URL('../../examples/notifications.yml', import.meta.url))

const image = imageOf([gzippedLayer([{ path: 'a', content: 'a' }])])
const patiently = { timeout: 60_000, interval: 100 }

test('the configuration and the commands of the page', { timeout: 300_000 }, async () => {
  const page = await readFile(PAGE, 'utf8')
  const [, yaml = ''] = /^```yaml\n([\s\S]*?)^```$/m.exec(page) ?? []
  const [, commands = ''] = /^```sh\n(entrepot events [\s\S]*?)^```$/m.exec(page) ?? []
  const { notifications } = parse(yaml)
  await using receiver = await EventReceiver.start()
  await using folder = await temporaryFolder()
  notifications.endpoints[0].url = receiver.url
  const dataFolder = join(folder.path, 'data')
  await using server = await startEntrepot({
    ...{ dataFolder, configFolder: folder.path, config: { notifications } },
  })
  const storage = { filesystem: { rootdirectory: dataFolder } }
  await writeFile(join(folder.path, 'config.yml'), JSON.stringify({ version: 0.1, storage, notifications }))
  await new RegistryClient(server.url).pushImage('team/app', { tag: 'v1', image })
  await expect.poll(() => receiver.events.some(({ target }) => target.tag === 'v1'), patiently).toBe(true)
  const { id } = receiver.events[0]!
  const lines = commands.trim().split('\n')
  expect(lines).toHaveLength(5)
  for (const line of lines) {
    const [, ...args] = line.replace(/ *#.*/, '').replace('<id>', id).split(' ')
    const { code, stderr } = await runEntrepot(args, { workingFolder: folder.path, timeoutMs: 90_000 })
    expect({ line, code, stderr }).toEqual({ line, code: 0, stderr: '' })
  }
  // One of them has asked for it again.
  await expect.poll(() => receiver.events.filter((event) => event.id === id).length, patiently).toBe(2)
})

test('examples/notifications.yml tells an inventory of changes, and of images by signed CloudEvents', async () => {
  const [inventory, deployments] = parse(await readFile(EXAMPLE, 'utf8')).notifications.endpoints
  await using receivers = new AsyncDisposableStack()
  const first = receivers.use(await EventReceiver.start())
  const second = receivers.use(await EventReceiver.start())
  await using folder = await temporaryFolder()
  await using server = await ServerProcess.start({
    file: process.execPath,
    arguments: [entrepotMain, 'serve', EXAMPLE],
    environment: {
      REGISTRY_HTTP_ADDR: '127.0.0.1:0',
      REGISTRY_LOG_LEVEL: 'info',
      REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: join(folder.path, 'data'),
      REGISTRY_NOTIFICATIONS_ENDPOINTS_0_URL: first.url,
      REGISTRY_NOTIFICATIONS_ENDPOINTS_1_URL: second.url,
    },
    workingFolder: folder.path,
    readyUrl: listeningUrl,
  })
  const client = new RegistryClient(server.url)
  const { digest } = image.manifest.descriptor
  for (const repository of ['other', 'team/app']) {
    await client.pushImage(repository, { tag: 'v1', image })
    await client.manifest(repository, 'v1')
  }
  await client.deleteManifest('team/app', 'v1')
  await expect.poll(() => first.events.filter(({ action }) => action === 'delete').length, patiently).toBe(1)
  await expect.poll(() => second.posts.length, patiently).toBe(1)
  expect(new Set(first.events.map(({ action }) => action))).toEqual(new Set(['push', 'delete']))
  expect(first.posts[0]?.headers.authorization).toBe(inventory.headers.Authorization[0])
  const ofManifest = first.events.find(({ target }) => target.tag === 'v1')
  expect(ofManifest?.target).toHaveProperty('references')
  const [{ headers, body }] = second.posts as [(typeof second.posts)[0]]
  new Webhook(deployments.secrets[0]).verify(body.toString(), headers as Record<string, string>)
  expect(HTTP.toEvent({ headers, body: body.toString() })).toMatchObject({
    ...{ type: 'io.entrepot.manifest.push', subject: 'team/app:v1' },
    data: { action: 'push', target: { digest, tag: 'v1' } },
  })
  expect(await server.stop()).toBe(0)
})
