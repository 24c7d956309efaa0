import { describe, expect, it } from 'vitest'
import { digestOf } from '../../../src/core/digest.ts'
import { StorageError } from '../../../src/core/errors.ts'
import { parseManifest } from '../../../src/core/manifest/parse.ts'
import { MediaType } from '../../../src/core/media-type.ts'
import { indexJson, payloadOf } from '../../support/manifest-json.ts'
import {
  digestsListed,
  listed,
  pushReferrer,
  putReferrer,
  referrerLink,
  referrerPayload,
  sbomType,
  subject,
} from './referrer-support.ts'
import { filesIn, manifestPayload, pushManifest, type RegistryUnderTest, revisionLink } from './support.ts'

export function describeReferrers(current: () => RegistryUnderTest): void {
  describe('referrers', () => {
    it('each is listed with what it is, in the order of the digests, and in its repository only', async () => {
      const repository = current().repository('a/b')
      const names = ['one', 'two', 'three', 'four', 'five']
      for (const name of names) await pushReferrer(repository, name)
      const expected = names.map((name) => ({
        mediaType: MediaType.ociManifest,
        digest: digestOf(referrerPayload(name)),
        size: referrerPayload(name).length,
        artifactType: sbomType,
        annotations: { name },
      }))
      expected.sort((one, other) => (one.digest < other.digest ? -1 : 1))
      for (const replica of [repository, await current().onOtherReplica('a/b')]) {
        expect(await listed(replica)).toEqual(expected)
        expect(await listed(replica, { after: expected[1]?.digest })).toEqual(expected.slice(2))
      }
      expect(await listed(current().repository('a'))).toEqual([])
      expect(await listed(repository, {}, digestOf(Buffer.from('other')))).toEqual([])
    })

    it('an image is of the type it says, else of its config’s; an index only of the one it says', async () => {
      const repository = current().repository('a')
      const about = { mediaType: MediaType.ociManifest, digest: subject, size: 7 }
      const silent = await pushReferrer(repository, 'silent', { artifactType: undefined })
      const empty = await pushReferrer(repository, 'empty', { artifactType: '', annotations: undefined })
      const [plain, typed] = await Promise.all(
        [undefined, 'application/x.index'].map((artifactType) =>
          putReferrer(repository, payloadOf(indexJson({ manifests: [], subject: about, artifactType }))),
        ),
      )
      const types = new Map((await listed(repository)).map((one) => [one.digest, one]))
      expect(types.get(silent)?.artifactType).toBe('application/vnd.oci.empty.v1+json')
      expect(types.get(empty)?.artifactType).toBe('application/vnd.oci.empty.v1+json')
      expect(types.get(empty)).not.toHaveProperty('annotations')
      expect(types.get(plain as never)).toMatchObject({ mediaType: MediaType.ociIndex })
      expect(types.get(plain as never)).not.toHaveProperty('artifactType')
      expect(types.get(typed as never)?.artifactType).toBe('application/x.index')
    })

    it('those of one type can be asked for', async () => {
      const repository = current().repository('a')
      const other = await pushReferrer(repository, 'other', { artifactType: 'application/x.other' })
      for (const name of ['one', 'two']) await pushReferrer(repository, name)
      const found = await listed(repository, { artifactType: 'application/x.other' })
      expect(found.map(({ digest }) => digest)).toEqual([other])
      expect(await listed(repository, { artifactType: 'application/x.none' })).toEqual([])
      expect(await listed(repository, { artifactType: sbomType })).toHaveLength(2)
    })

    it('may come before their subject, and outlive it', async () => {
      const repository = current().repository('a')
      const image = digestOf(manifestPayload('image'))
      const about = { mediaType: MediaType.ociManifest, digest: image, size: 7 }
      const referrer = await pushReferrer(repository, 'early', { subject: about })
      expect(await digestsListed(repository, image)).toEqual([referrer])
      await pushManifest(repository, 'image', { tags: ['latest'] })
      expect(await digestsListed(repository, image)).toEqual([referrer])
      await repository.manifests.delete(image)
      expect(await digestsListed(repository, image)).toEqual([referrer])
      expect(await repository.manifests.exists(referrer)).toBe(true)
    })

    it('one that is deleted is no longer listed, until it is pushed again', async () => {
      const repository = current().repository('a')
      const [one, two] = [await pushReferrer(repository, 'one'), await pushReferrer(repository, 'two')]
      expect(await digestsListed(repository)).toHaveLength(2)
      await repository.manifests.delete(one)
      expect(await digestsListed(repository)).toEqual([two])
      expect(Object.keys(await filesIn(current().driver))).not.toContain(referrerLink('a', one))
      await pushReferrer(repository, 'one')
      expect(await digestsListed(repository)).toEqual([one, two].sort())
    })

    it('one that is pushed by sha512 is listed once, by that name', async () => {
      const repository = current().repository('a')
      const name = await pushReferrer(repository, 'by sha512', { algorithm: 'sha512' })
      const canonical = digestOf(referrerPayload('by sha512'))
      for (const replica of [repository, await current().onOtherReplica('a')]) {
        expect(await listed(replica)).toMatchObject([{ digest: name, annotations: { name: 'by sha512' } }])
      }
      await repository.manifests.delete(canonical)
      expect(await listed(repository)).toEqual([])
    })

    it('a subject is what the referrer calls it', async () => {
      const repository = current().repository('a')
      const bySha512 = digestOf(Buffer.from('subject'), 'sha512')
      const about = { mediaType: MediaType.ociManifest, digest: bySha512, size: 7 }
      const referrer = await pushReferrer(repository, 'one', { subject: about })
      expect(await digestsListed(repository, bySha512)).toEqual([referrer])
      expect(await digestsListed(repository)).toEqual([])
    })

    it('those with long annotations are listed with all of them', async () => {
      const repository = current().repository('a')
      const annotations = { long: 'long '.repeat(2_000) }
      await pushReferrer(repository, 'long', { annotations })
      for (const replica of [repository, await current().onOtherReplica('a')]) {
        expect(await listed(replica)).toMatchObject([{ artifactType: sbomType, annotations }])
        expect(await listed(replica, { artifactType: sbomType })).toHaveLength(1)
      }
    })

    it('a manifest that another registry has deleted is not listed', async () => {
      const repository = current().repository('a')
      const [one, two] = [await pushReferrer(repository, 'one'), await pushReferrer(repository, 'two')]
      expect(await digestsListed(repository)).toHaveLength(2)
      await current().driver.delete(revisionLink('a', one))
      expect(await digestsListed(repository)).toEqual([two])
      expect(await digestsListed(await current().onOtherReplica('a'))).toEqual([two])
    })

    it('a push that breaks off leaves nothing that is listed and not there, and nothing that is there and not listed', async () => {
      const repository = current().repository('a')
      await pushReferrer(repository, 'before')
      const before = await digestsListed(repository)
      const payload = referrerPayload('broken off')
      const digest = digestOf(payload)
      for (const failing of [revisionLink('a', digest), referrerLink('a', digest)]) {
        current().driver.fault = ({ method, path }) =>
          method === 'put' && path === failing ? new StorageError('BACKEND_FAILED', { path }) : undefined
        await expect(putReferrer(repository, payload)).rejects.toThrow(StorageError)
        current().driver.fault = () => undefined
        expect(await repository.manifests.exists(digest)).toBe(false)
        expect(await digestsListed(repository)).toEqual(before)
      }
      await putReferrer(repository, payload)
      expect(await digestsListed(repository)).toEqual([...before, digest].sort())
    })

    it('whatever comes of pushing and deleting one at once, it is listed if it is there', async () => {
      const repository = current().repository('a')
      const digest = await pushReferrer(repository, 'contended')
      const manifest = parseManifest(referrerPayload('contended'))
      for (let round = 0; round < 60; round++) {
        const pushing = later(round % 20, () => repository.manifests.put(manifest))
        const deleting = later(Math.floor(round / 3), () =>
          repository.manifests.delete(digest).catch(() => {}),
        )
        await Promise.all([pushing, deleting])
        const there = await repository.manifests.exists(digest)
        expect(await digestsListed(repository)).toEqual(there ? [digest] : [])
        await repository.manifests.put(manifest)
      }
    })
  })
}

/** Lets others take some steps first. */
async function later<Result>(steps: number, work: () => Promise<Result>): Promise<Result> {
  for (let step = 0; step < steps; step++) await new Promise((resolve) => setImmediate(resolve))
  return work()
}
