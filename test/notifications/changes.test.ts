/** What is told of changes, and when. */
import { expect, test } from 'vitest'
import { EventReceiver, type ReceivedEvent } from '../support/event-receiver.ts'
import { gzippedLayer, imageOf } from '../support/oci-image.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { NotifyingRegistryUnderTest, until } from './support.ts'

function shortly({ action, target }: ReceivedEvent): string {
  const { repository, mediaType, tag, digest, fromRepository } = target
  const kind = mediaType === 'application/octet-stream' ? 'blob' : mediaType === '' ? '' : 'manifest'
  const what = tag ?? (digest === '' ? '' : 'digest')
  return [action, kind, repository, what, fromRepository].filter(Boolean).join(' ')
}

test('each change is told, in order', async () => {
  await using receiver = await EventReceiver.start()
  await using folder = await temporaryFolder()
  await using registry = await NotifyingRegistryUnderTest.start({
    storage: { filesystem: { rootdirectory: folder.path } },
    notifications: { endpoints: [{ name: 'all', url: receiver.url, ignore: { actions: ['pull'] } }] },
  })
  const { client } = registry
  const image = imageOf([gzippedLayer([])])
  await client.pushImage('a', { tag: 'latest', image })
  const [layer] = image.layers
  await client.mountBlob('b', { digest: layer!.descriptor.digest, from: 'a' })
  await client.deleteManifest('a', image.manifest.descriptor.digest)
  await until(() => receiver.events.length >= 6)
  const told = receiver.events.map(shortly)
  expect(told.filter((line) => line.includes(' b '))).toEqual(['mount blob b digest a'])
  expect(told.filter((line) => !line.includes(' b '))).toEqual([
    'push blob a digest',
    'push blob a digest',
    'push manifest a latest',
    'delete a latest',
    'delete a digest',
  ])
})
