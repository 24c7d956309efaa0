import { describe, expect, it } from 'vitest'
import { digestOf, hexOf } from '../../../src/core/digest.ts'
import { parseTag } from '../../../src/core/reference.ts'
import {
  filesIn,
  manifestPayload,
  pushBlob,
  pushManifest,
  type RegistryUnderTest,
  uploadOf,
} from './support.ts'

const ROOT = '/docker/registry/v2'

/** Written out here in full, apart from the code's own idea of its paths: what stands on disk is a promise to others. */
export function describeLayout(current: () => RegistryUnderTest): void {
  describe('the storage tree', () => {
    it('of a pushed image is that of Distribution', async () => {
      const manifest = await pushManifest(current().repository('library/app'), 'image', { tags: ['v1'] })
      const layer = digestOf(Buffer.from('layer of image'))
      const config = digestOf(Buffer.from('config of image'))
      const repository = `${ROOT}/repositories/library/app`
      const blob = (hex: string) => `${ROOT}/blobs/sha256/${hex.slice(0, 2)}/${hex}/data`
      expect(await filesIn(current().driver)).toEqual({
        [blob(hexOf(layer))]: 'layer of image',
        [blob(hexOf(config))]: 'config of image',
        [blob(hexOf(manifest))]: Buffer.from(manifestPayload('image')).toString(),
        [`${repository}/_layers/sha256/${hexOf(layer)}/link`]: layer,
        [`${repository}/_layers/sha256/${hexOf(config)}/link`]: config,
        [`${repository}/_manifests/revisions/sha256/${hexOf(manifest)}/link`]: manifest,
        [`${repository}/_manifests/tags/v1/current/link`]: manifest,
        [`${repository}/_manifests/tags/v1/index/sha256/${hexOf(manifest)}/link`]: manifest,
      })
    })

    it('of a blob pushed by sha512 has two links to the bytes under sha256', async () => {
      await pushBlob(current().repository('a'), 'content', 'sha512')
      const canonical = digestOf(Buffer.from('content'))
      const hex = hexOf(canonical)
      const aliasHex = hexOf(digestOf(Buffer.from('content'), 'sha512'))
      expect(await filesIn(current().driver)).toEqual({
        [`${ROOT}/blobs/sha256/${hex.slice(0, 2)}/${hex}/data`]: 'content',
        [`${ROOT}/repositories/a/_layers/sha256/${hex}/link`]: canonical,
        [`${ROOT}/repositories/a/_layers/sha512/${aliasHex}/link`]: canonical,
      })
    })

    it('of an upload under way is where Distribution goes on with it', async () => {
      const upload = await uploadOf(current().repository('a'), 'hello')
      const folder = `${ROOT}/repositories/a/_uploads/${upload.id}`
      const files = await filesIn(current().driver)
      expect(Object.keys(files).sort()).toEqual([
        `${folder}/data`,
        `${folder}/digests`,
        `${folder}/startedat`,
      ])
      expect(files[`${folder}/data`]).toBe('hello')
      expect(files[`${folder}/startedat`]).toBe(upload.startedAt.toISOString().replace('.000Z', 'Z'))
      expect(files[`${folder}/startedat`]).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/)
    })

    it('after everything was deleted keeps the bytes alone', async () => {
      const repository = current().repository('a')
      const manifest = await pushManifest(repository, 'image', { tags: ['v1', 'v2'], algorithm: 'sha512' })
      const layers = ['layer of image', 'config of image'].map((text) => digestOf(Buffer.from(text)))
      await repository.tags.untag(parseTag('v1'))
      await repository.manifests.delete(manifest)
      for (const layer of layers) await repository.blobs.delete(layer)
      const left = Object.keys(await filesIn(current().driver))
      expect(left.filter((path) => !path.startsWith(`${ROOT}/blobs/`))).toEqual([])
      expect(left).toHaveLength(3)
    })
  })
}
