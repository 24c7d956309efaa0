/** Distribution's keys of an endpoint, and what is written for nobody. */
import { readdir } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { EventReceiver } from '../../support/event-receiver.ts'
import { contentOf, gzippedLayer, imageOf, mediaTypes } from '../../support/oci-image.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'
import { NotifyingRegistryUnderTest, until } from '../support.ts'

const image = imageOf([gzippedLayer([])])

test('media types and actions are ignored by any key; an endpoint that is disabled is told nothing', async () => {
  await using receivers = new AsyncDisposableStack()
  const start = async () => receivers.use(await EventReceiver.start())
  const [all, ignoring, disabled] = [await start(), await start(), await start()]
  await using registry = await NotifyingRegistryUnderTest.start({
    storage: { inmemory: {} },
    notifications: {
      endpoints: [
        { name: 'all', url: all.url },
        {
          ...{ name: 'ignoring', url: ignoring.url, ignoredmediatypes: ['application/octet-stream'] },
          ignore: { mediatypes: [mediaTypes.index], actions: ['pull'] },
        },
        { name: 'disabled', url: disabled.url, disabled: true },
      ],
    },
  })
  const { client } = registry
  await client.pushImage('a', { tag: 'first', image })
  await client.manifest('a', 'first')
  const empty = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests: [] }))
  await client.pushManifest('a', { reference: 'index', manifest: contentOf(empty, mediaTypes.index) })
  await client.deleteManifest('a', 'first')
  await until(() => ignoring.events.some(({ action }) => action === 'delete'))
  await until(() => all.events.some(({ action }) => action === 'delete'))
  const told = ({ events }: EventReceiver) =>
    events.map(({ action, target }) => `${action} ${target.tag ?? ''}`)
  expect(told(ignoring)).toEqual(['push first', 'delete first'])
  await until(() => told(all).includes('pull first'))
  expect(told(all)).toEqual(expect.arrayContaining(['push ', 'push first', 'push index', 'delete first']))
  expect(disabled.posts).toEqual([])
})

test('what nobody wants to hear of costs no write', async () => {
  await using receiver = await EventReceiver.start()
  await using folder = await temporaryFolder()
  const begin = (endpoint: object) =>
    NotifyingRegistryUnderTest.start({
      storage: { filesystem: { rootdirectory: folder.path } },
      notifications: { endpoints: [{ name: 'receiver', url: receiver.url, ...endpoint }] },
    })
  const names = async () => {
    const found = await readdir(`${folder.path}/docker/registry/v2`, { recursive: true })
    return found.filter((name) => name.startsWith('notifications'))
  }
  {
    await using registry = await begin({ disabled: true })
    await registry.client.pushImage('a', { tag: 'first', image })
  }
  expect(await names()).toEqual([])
  {
    await using registry = await begin({ repositories: ['team/**'] })
    await registry.client.pushImage('other', { tag: 'first', image })
    expect((await names()).filter((name) => name.includes('/journal'))).toEqual([])
    await registry.client.pushBlob('team/app', Buffer.from('bytes'))
    expect((await names()).filter((name) => /journal\/.*\.log$/.test(name))).toHaveLength(1)
  }
})
