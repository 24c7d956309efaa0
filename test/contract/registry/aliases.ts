import { describe, expect, it } from 'vitest'
import { digestOf } from '../../../src/core/digest.ts'
import { parseManifest } from '../../../src/core/manifest/parse.ts'
import { parseTag } from '../../../src/core/reference.ts'
import { collect, collectAll } from '../storage-driver/support.ts'
import {
  expectRegistryError,
  manifestPayload,
  pushBlob,
  pushManifest,
  type RegistryUnderTest,
} from './support.ts'

const latest = parseTag('latest')
const canonical = digestOf(Buffer.from('content'))
const alias = digestOf(Buffer.from('content'), 'sha512')

export function describeAliases(current: () => RegistryUnderTest): void {
  describe('content named by sha512', () => {
    it('a blob is there under both names, each answered with the name that was asked', async () => {
      const { blobs } = current().repository('a')
      await pushBlob(current().repository('a'), 'content', 'sha512')
      for (const digest of [canonical, alias]) {
        expect(await blobs.stat(digest)).toMatchObject({ digest, size: 7 })
        expect((await collect((await blobs.open(digest)).read())).toString()).toBe('content')
      }
    })

    it('a blob has the name only where it was pushed by it', async () => {
      await pushBlob(current().repository('a'), 'content', 'sha512')
      await pushBlob(current().repository('b'), 'content')
      expect(await current().repository('b').blobs.has(alias)).toBe(false)
    })

    it.each([canonical, alias])('a blob that is deleted by %s loses every name', async (digest) => {
      const { blobs } = current().repository('a')
      await pushBlob(current().repository('a'), 'content', 'sha512')
      await pushBlob(current().repository('a'), 'other', 'sha512')
      await blobs.delete(digest)
      expect(await blobs.has(canonical)).toBe(false)
      expect(await blobs.has(alias)).toBe(false)
      expect(await blobs.has(digestOf(Buffer.from('other'), 'sha512'))).toBe(true)
    })

    it('a manifest is there under both names', async () => {
      const { manifests } = current().repository('a')
      const digest = await pushManifest(current().repository('a'), 'image', { algorithm: 'sha512' })
      for (const name of [digest, digestOf(manifestPayload('image'))]) {
        expect(await manifests.exists(name)).toBe(true)
        expect((await manifests.get(name)).descriptor.digest).toBe(name)
      }
    })

    it.each(['sha256', 'sha512'] as const)(
      'a manifest deleted by %s loses every name and tag',
      async (algorithm) => {
        const { manifests, tags } = current().repository('a')
        await pushManifest(current().repository('a'), 'image', { algorithm: 'sha512', tags: ['latest'] })
        await manifests.delete(digestOf(manifestPayload('image'), algorithm))
        expect(await collectAll(manifests.all())).toEqual([])
        await expectRegistryError(tags.get(latest), 'MANIFEST_UNKNOWN')
        expect(await tags.find(latest)).toBeUndefined()
      },
    )

    it('a wrong name is refused, and the manifest is not stored', async () => {
      const { manifests } = current().repository('a')
      await pushManifest(current().repository('a'), 'image')
      await manifests.delete(digestOf(manifestPayload('image')))
      for (const algorithm of ['sha256', 'sha512'] as const) {
        const wrong = digestOf(Buffer.from('something else'), algorithm)
        await expectRegistryError(
          manifests.put(parseManifest(manifestPayload('image')), wrong),
          'DIGEST_INVALID',
        )
      }
      expect(await collectAll(manifests.all())).toEqual([])
    })

    it('a tag keeps the name it was given, until it is given another', async () => {
      const { manifests, tags } = current().repository('a')
      const digest = await pushManifest(current().repository('a'), 'image', {
        algorithm: 'sha512',
        tags: ['latest'],
      })
      expect(await tags.get(latest)).toBe(digest)
      expect(await tags.find(latest)).toBe(digest)
      const other = await pushManifest(current().repository('a'), 'other', { tags: ['latest'] })
      expect(await tags.get(latest)).toBe(other)
      await tags.tag(latest, (await manifests.get(digest)).descriptor)
      expect(await tags.get(latest)).toBe(digest)
    })

    it('a tag keeps the name while it is given the same manifest by sha256', async () => {
      const { tags } = current().repository('a')
      const options = { tags: ['latest'] }
      const digest = await pushManifest(current().repository('a'), 'image', {
        ...options,
        algorithm: 'sha512',
      })
      await pushManifest(current().repository('a'), 'image', options)
      expect(await tags.get(latest)).toBe(digest)
    })

    it('a tag can not be given a name that the repository does not have', async () => {
      const { manifests, tags } = current().repository('a')
      const digest = await pushManifest(current().repository('a'), 'image')
      const { descriptor } = await manifests.get(digest)
      const unknown = digestOf(manifestPayload('image'), 'sha512')
      await expectRegistryError(tags.tag(latest, { ...descriptor, digest: unknown }), 'MANIFEST_UNKNOWN')
      await expectRegistryError(tags.get(latest), 'MANIFEST_UNKNOWN')
    })
  })
}
