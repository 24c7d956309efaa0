import { describe, expect, it } from 'vitest'
import { digestOf } from '../../../src/core/digest.ts'
import { collect } from '../storage-driver/support.ts'
import {
  blobPath,
  expectRegistryError,
  manifestPayload,
  pushBlob,
  pushManifest,
  type RegistryUnderTest,
  textOf,
} from './support.ts'

export function describeHealing(current: () => RegistryUnderTest): void {
  describe('what storage has damaged', () => {
    it.each(['', 'con', 'content and more'])(
      'a blob that has become %j is healed by a push',
      async (damaged) => {
        const { driver } = current()
        const repository = current().repository('a')
        const digest = await pushBlob(repository, 'content')
        await driver.put(blobPath(digest), Buffer.from(damaged))
        await pushBlob(current().repository('b'), 'content')
        const blob = await repository.blobs.open(digest)
        expect(blob.descriptor.size).toBe(7)
        expect((await collect(blob.read())).toString()).toBe('content')
      },
    )

    it('the empty blob is healed too', async () => {
      const { driver } = current()
      const { blobs } = current().repository('a')
      const digest = digestOf(Buffer.of())
      await (await blobs.createUpload()).commit(digest)
      await driver.put(blobPath(digest), Buffer.from('more'))
      await (await blobs.createUpload()).commit(digest)
      expect((await blobs.stat(digest)).size).toBe(0)
    })

    it('a blob of the right size is not written again, unless a driver does so instead of looking', async () => {
      const { driver } = current()
      const digest = await pushBlob(current().repository('a'), 'content')
      driver.forget()
      await pushBlob(current().repository('b'), 'content')
      const calls = driver.calls.filter(({ path, to }) => [path, to].includes(blobPath(digest)))
      // A driver that replaces it instead of looking has no more to say.
      expect([['move', 'stat'], ['move']]).toContainEqual(calls.map(({ method }) => method))
    })

    it('a blob whose bytes are gone is not there, and comes back with a push', async () => {
      const { driver } = current()
      const { blobs } = current().repository('a')
      const digest = await pushBlob(current().repository('a'), 'content')
      await driver.delete(blobPath(digest))
      await expectRegistryError(blobs.open(digest), 'BLOB_UNKNOWN')
      await pushBlob(current().repository('a'), 'content')
      expect(await blobs.has(digest)).toBe(true)
    })

    it('a manifest is not served with other bytes, is reported, and is healed by a push', async () => {
      const { driver, logged } = current()
      const repository = current().repository('a')
      const digest = await pushManifest(repository, 'image')
      const payload = Buffer.from(manifestPayload('image'))
      payload[20]! ^= 1
      await driver.put(blobPath(digest), payload)
      await expectRegistryError(repository.manifests.get(digest), 'MANIFEST_UNKNOWN')
      expect(logged.lines.filter((line) => line.includes('damaged') && line.includes(digest))).toHaveLength(1)
      await pushManifest(repository, 'image')
      expect(textOf(await repository.manifests.get(digest))).toBe(
        Buffer.from(manifestPayload('image')).toString(),
      )
    })

    it('a manifest whose bytes are gone is unknown', async () => {
      const { driver } = current()
      const { manifests } = current().repository('a')
      const digest = await pushManifest(current().repository('a'), 'image')
      await driver.delete(blobPath(digest))
      expect(await manifests.exists(digest)).toBe(false)
      await expectRegistryError(manifests.get(digest), 'MANIFEST_UNKNOWN')
    })
  })
}
