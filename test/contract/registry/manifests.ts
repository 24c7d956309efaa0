import { describe, expect, it } from 'vitest'
import type { Descriptor } from '../../../src/core/descriptor.ts'
import { digestOf } from '../../../src/core/digest.ts'
import type { Manifest } from '../../../src/core/manifest/manifest.ts'
import { parseManifest } from '../../../src/core/manifest/parse.ts'
import { parseTag } from '../../../src/core/reference.ts'
import { descriptorOf, imageJson, indexJson, payloadOf } from '../../support/manifest-json.ts'
import { collectAll } from '../storage-driver/support.ts'
import {
  expectRegistryError,
  manifestPayload,
  pushBlob,
  pushManifest,
  type RegistryUnderTest,
  tagsOf,
  textOf,
} from './support.ts'

const absent = digestOf(Buffer.from('absent'))

export function describeManifests(current: () => RegistryUnderTest): void {
  describe('manifests', () => {
    it('a manifest comes back byte for byte', async () => {
      const repository = current().repository('a/b')
      await pushBlob(repository, 'config')
      for (const layer of ['layer one', 'layer two']) await pushBlob(repository, layer)
      const payload = Buffer.from(`\n${JSON.stringify(imageJson(), null, 3)}  \n`)
      const descriptor = await repository.manifests.put(parseManifest(payload))
      expect(descriptor).toEqual({
        mediaType: 'application/vnd.oci.image.manifest.v1+json',
        digest: digestOf(payload),
        size: payload.length,
      })
      const stored = await repository.manifests.get(digestOf(payload))
      expect(stored.descriptor).toEqual(descriptor)
      expect(textOf(stored)).toBe(payload.toString())
    })

    it('what is not there is unknown to every question', async () => {
      const { manifests } = current().repository('a')
      expect(await manifests.exists(absent)).toBe(false)
      await expectRegistryError(manifests.get(absent), 'MANIFEST_UNKNOWN')
      await expectRegistryError(manifests.delete(absent), 'MANIFEST_UNKNOWN')
      expect(await collectAll(manifests.all())).toEqual([])
    })

    it('a manifest is visible only in its repository, and is no blob', async () => {
      const digest = await pushManifest(current().repository('a'), 'image')
      expect(await current().repository('b').manifests.exists(digest)).toBe(false)
      expect(await current().repository('a').blobs.has(digest)).toBe(false)
    })

    it('is refused with every blob that it lacks, and nothing of it is stored', async () => {
      const repository = current().repository('a')
      await pushBlob(repository, 'layer one')
      const error = await expectRegistryError(
        repository.manifests.put(parseManifest(payloadOf(imageJson()))),
        'MANIFEST_BLOB_UNKNOWN',
      )
      expect([error, ...error.others].map(({ code, detail }) => ({ code, detail }))).toEqual(
        ['config', 'layer two'].map((content) => ({
          code: 'MANIFEST_BLOB_UNKNOWN',
          detail: { digest: digestOf(Buffer.from(content)) },
        })),
      )
      expect(await repository.manifests.exists(digestOf(payloadOf(imageJson())))).toBe(false)
    })

    it('a blob of another repository does not count', async () => {
      for (const content of ['config', 'layer one', 'layer two'])
        await pushBlob(current().repository('b'), content)
      const error = await expectRegistryError(
        current()
          .repository('a')
          .manifests.put(parseManifest(payloadOf(imageJson()))),
        'MANIFEST_BLOB_UNKNOWN',
      )
      expect(error.others).toHaveLength(2)
    })

    it('an index demands its manifests; a blob with that digest does not do', async () => {
      const repository = current().repository('a')
      const child = manifestPayload('amd64')
      const entry = { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest: digestOf(child) }
      const index = parseManifest(payloadOf(indexJson({ manifests: [{ ...entry, size: child.length }] })))
      await pushBlob(repository, child)
      await expectRegistryError(repository.manifests.put(index), 'MANIFEST_BLOB_UNKNOWN')
      await pushManifest(repository, 'amd64')
      const { digest } = await repository.manifests.put(index)
      expect((await repository.manifests.get(digest)).descriptor.mediaType).toBe(index.mediaType)
    })

    it('an index of other content takes it as a blob', async () => {
      const repository = current().repository('a')
      const index = parseManifest(payloadOf(indexJson({ manifests: [descriptorOf('cached layer')] })))
      await expectRegistryError(repository.manifests.put(index), 'MANIFEST_BLOB_UNKNOWN')
      await pushBlob(repository, 'cached layer')
      await repository.manifests.put(index)
    })

    it('of a kind that nobody has heard of is kept by what it says through its interface', async () => {
      const repository = current().repository('a')
      const mediaType = 'application/vnd.example.unheard-of+json'
      const [there, missing] = ['there', 'missing'].map((name) => descriptorOf(name) as unknown as Descriptor)
      const manifestOf = (descriptor: Descriptor): Manifest => ({
        mediaType,
        payload: payloadOf({ mediaType, layers: [missing], config: missing, manifests: [missing] }),
        signatures: [],
        madeFor: undefined,
        subject: missing,
        references: () => [{ descriptor, kind: 'blob', required: true, urls: [], platform: undefined }],
      })
      await pushBlob(repository, 'there')
      const put = repository.manifests.put(manifestOf(missing!))
      const { detail } = await expectRegistryError(put, 'MANIFEST_BLOB_UNKNOWN')
      expect(detail).toEqual({ digest: missing!.digest })
      const { digest } = await repository.manifests.put(manifestOf(there!))
      const stored = await repository.manifests.get(digest)
      expect(stored).toEqual({
        descriptor: { mediaType, digest, size: stored.payload.length },
        payload: manifestOf(there!).payload,
      })
    })

    it('a subject need not be there', async () => {
      const repository = current().repository('a')
      for (const content of ['config', 'layer one', 'layer two']) await pushBlob(repository, content)
      const subject = descriptorOf('absent', { mediaType: 'application/vnd.oci.image.manifest.v1+json' })
      const { digest } = await repository.manifests.put(parseManifest(payloadOf(imageJson({ subject }))))
      expect(await repository.manifests.exists(digest)).toBe(true)
    })

    it('a manifest of more references than are looked up at once is checked to the last', async () => {
      const repository = current().repository('a')
      const names = Array.from({ length: 70 }, (_, index) => `layer ${index}`)
      await pushBlob(repository, 'config')
      for (const name of names.slice(0, -1)) await pushBlob(repository, name)
      const manifest = parseManifest(
        payloadOf(imageJson({ layers: names.map((name) => descriptorOf(name)) })),
      )
      const error = await expectRegistryError(repository.manifests.put(manifest), 'MANIFEST_BLOB_UNKNOWN')
      expect(error.detail).toEqual({ digest: digestOf(Buffer.from('layer 69')) })
      await pushBlob(repository, 'layer 69')
      await repository.manifests.put(manifest)
    })

    it('a deleted manifest takes every tag that names it along, and no other', async () => {
      const repository = current().repository('a')
      const digest = await pushManifest(repository, 'image', { tags: ['v1', 'latest', 'moved'] })
      const other = await pushManifest(repository, 'other', { tags: ['v2', 'moved'] })
      await repository.manifests.delete(digest)
      expect(await tagsOf(repository)).toEqual(['moved', 'v2'])
      expect(await repository.tags.get(parseTag('moved'))).toBe(other)
      expect(await repository.manifests.exists(digest)).toBe(false)
      await expectRegistryError(repository.manifests.delete(digest), 'MANIFEST_UNKNOWN')
      await pushManifest(repository, 'image')
      expect(textOf(await repository.manifests.get(digest))).toBe(
        Buffer.from(manifestPayload('image')).toString(),
      )
      expect(await tagsOf(repository)).toEqual(['moved', 'v2'])
    })

    it('are listed in the order of their digests, behind a given one', async () => {
      const repository = current().repository('a')
      const digests = []
      for (const name of ['one', 'two', 'three', 'four']) digests.push(await pushManifest(repository, name))
      digests.sort()
      expect(await collectAll(repository.manifests.all())).toEqual(digests)
      expect(await collectAll(repository.manifests.all({ after: digests[1] }))).toEqual(digests.slice(2))
    })
  })
}
