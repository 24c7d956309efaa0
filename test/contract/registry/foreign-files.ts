import { randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { digestOf } from '../../../src/core/digest.ts'
import { parseTag } from '../../../src/core/reference.ts'
import { collect, collectAll } from '../storage-driver/support.ts'
import {
  blobPath,
  chunksOf,
  expectRegistryError,
  filesIn,
  layerLink,
  pushBlob,
  pushManifest,
  type RegistryUnderTest,
  ROOT,
  revisionLink,
  tagLink,
  tagsOf,
  uploadOf,
} from './support.ts'

const UPLOADS = `${ROOT}/repositories/a/_uploads`
const hello = digestOf(Buffer.from('hello, world'))

/** What a crash of another registry may have left in a link. */
const broken = ['', '\n', 'sha256:', `sha256:${'0'.repeat(63)}`, `sha256:${'A'.repeat(64)}`, '\0'.repeat(71)]

export function describeForeignFiles(current: () => RegistryUnderTest): void {
  describe('links that hold no digest', () => {
    it.each(broken)('a blob with the link %j is not there, until it is pushed again', async (text) => {
      const { driver } = current()
      const { blobs } = current().repository('a')
      const digest = await pushBlob(current().repository('a'), 'content')
      await driver.put(layerLink('a', digest), Buffer.from(text))
      expect(await blobs.has(digest)).toBe(false)
      expect(await collectAll(blobs.all())).toEqual([])
      await expectRegistryError(blobs.delete(digest), 'BLOB_UNKNOWN')
      await pushBlob(current().repository('a'), 'content')
      expect(await collectAll(blobs.all())).toEqual([digest])
    })

    it('a manifest with such a link is unknown, and so is a tag', async () => {
      const { driver } = current()
      const repository = current().repository('a')
      const digest = await pushManifest(repository, 'image', { tags: ['broken', 'whole'] })
      await driver.put(tagLink('a', 'broken'), Buffer.from(''))
      await expectRegistryError(repository.tags.get(parseTag('broken')), 'MANIFEST_UNKNOWN')
      expect(await tagsOf(repository)).toEqual(['whole'])
      await driver.put(revisionLink('a', digest), Buffer.from(''))
      await expectRegistryError(repository.manifests.get(digest), 'MANIFEST_UNKNOWN')
      expect(await repository.manifests.exists(digest)).toBe(false)
      expect(await collectAll(repository.manifests.all())).toEqual([])
    })

    it('each is logged once', async () => {
      const { driver, logged } = current()
      const { blobs } = current().repository('a')
      const digests = [
        await pushBlob(current().repository('a'), 'one'),
        await pushBlob(current().repository('a'), 'two'),
      ]
      for (const digest of digests) await driver.put(layerLink('a', digest), Buffer.from(''))
      for (let time = 0; time < 3; time++) for (const digest of digests) await blobs.has(digest)
      const paths = logged.lines.map((line): unknown => JSON.parse(line)).map((line) => Object(line).path)
      expect(paths.sort()).toEqual(digests.map((digest) => layerLink('a', digest)).sort())
    })

    it('white space around a digest does no harm', async () => {
      const { driver } = current()
      const { blobs } = current().repository('a')
      const digest = await pushBlob(current().repository('a'), 'content')
      await driver.put(layerLink('a', digest), Buffer.from(` ${digest}\r\n`))
      expect((await collect((await blobs.open(digest)).read())).toString()).toBe('content')
    })
  })

  describe('files of other registries and of crashes', () => {
    it("Distribution's saved hashes are passed by, and go with the upload", async () => {
      const { driver } = current()
      const upload = await uploadOf(current().repository('a'), 'hello')
      await driver.put(`${UPLOADS}/${upload.id}/hashstates/sha256/5`, Buffer.alloc(108, 1))
      const resumed = await (await current().onOtherReplica('a')).blobs.getUpload(upload.id)
      await resumed.append(chunksOf(', world'))
      await resumed.commit(hello)
      expect(await filesIn(driver)).toEqual({
        [blobPath(hello)]: 'hello, world',
        [layerLink('a', hello)]: hello,
      })
    })

    it('an upload that Distribution began is gone on with', async () => {
      const { driver } = current()
      const id = randomUUID()
      await driver.put(`${UPLOADS}/${id}/startedat`, Buffer.from('2026-01-02T15:04:05Z'))
      await driver.put(`${UPLOADS}/${id}/data`, Buffer.from('hello'))
      await driver.put(`${UPLOADS}/${id}/hashstates/sha256/5`, Buffer.alloc(108, 1))
      const upload = await current().repository('a').blobs.getUpload(id)
      expect(upload).toMatchObject({ size: 5, startedAt: new Date('2026-01-02T15:04:05Z') })
      await upload.append(chunksOf(', world'), { offset: 5 })
      await upload.commit(hello)
      expect(await current().repository('a').blobs.has(hello)).toBe(true)
    })

    it.each(['', 'yesterday'])('an upload that was started at %j counts from its bytes', async (text) => {
      const { driver } = current()
      const upload = await uploadOf(current().repository('a'), 'hello')
      await driver.put(`${UPLOADS}/${upload.id}/startedat`, Buffer.from(text))
      const resumed = await current().repository('a').blobs.getUpload(upload.id)
      expect(resumed.startedAt).toEqual(resumed.lastWrittenAt)
      expect((await collectAll(current().registry.uploads())).map(({ id }) => id)).toEqual([upload.id])
    })

    it.each(['', '{', '[]', 'null', '{"size":5,"digests":["sha256:x"]}', '{"size":5,"digests":[]}'])(
      'kept digests that are %j are computed again',
      async (text) => {
        const { driver } = current()
        const { id } = await uploadOf(await current().onOtherReplica('a'), 'hello, world')
        await driver.put(`${UPLOADS}/${id}/digests`, Buffer.from(text))
        await (await current().repository('a').blobs.getUpload(id)).commit(hello)
        expect(await current().repository('a').blobs.has(hello)).toBe(true)
      },
    )

    it('digests kept of fewer bytes than there are now are computed again', async () => {
      const { driver } = current()
      const { id } = await uploadOf(await current().onOtherReplica('a'), 'hello, ')
      const writer = await driver.append(`${UPLOADS}/${id}/data`)
      await writer.write(Buffer.from('world'))
      await writer.close()
      await (await current().repository('a').blobs.getUpload(id)).commit(hello)
      expect(await current().repository('a').blobs.has(hello)).toBe(true)
    })

    it('stray names among the uploads are no uploads', async () => {
      const { driver } = current()
      const upload = await uploadOf(current().repository('a'), 'hello')
      for (const stray of [
        'stray',
        `${randomUUID()}.tmp`,
        `${randomUUID()}/other`,
        `x${randomUUID()}/startedat`,
      ]) {
        await driver.put(`${UPLOADS}/${stray}`, Buffer.from('2026-01-02T15:04:05Z'))
      }
      expect((await collectAll(current().registry.uploads())).map(({ id }) => id)).toEqual([upload.id])
    })

    it('stray files and folders among links and tags are passed by', async () => {
      const { driver } = current()
      const repository = current().repository('a')
      const digest = await pushManifest(repository, 'image', { tags: ['v1'] })
      const blobs = await collectAll(repository.blobs.all())
      const stray = `link.${randomUUID()}.tmp`
      await driver.put(`${revisionLink('a', digest).replace(/link$/, stray)}`, Buffer.from('sha'))
      await driver.put(`${tagLink('a', 'v1').replace(/link$/, stray)}`, Buffer.from('sha'))
      await driver.put(`${ROOT}/repositories/a/_layers/sha256/stray/link`, Buffer.from(digest))
      await driver.put(`${ROOT}/repositories/a/_layers/md5/${'0'.repeat(32)}/link`, Buffer.from(digest))
      await driver.put(`${ROOT}/repositories/a/_layers/sha256/file.tmp`, Buffer.from(digest))
      await driver.put(`${ROOT}/repositories/a/_manifests/tags/.hidden/current/link`, Buffer.from(digest))
      await driver.put(`${ROOT}/repositories/a/_manifests/tags/file`, Buffer.from(digest))
      expect(await collectAll(repository.blobs.all())).toEqual(blobs)
      expect(await collectAll(repository.manifests.all())).toEqual([digest])
      expect(await tagsOf(repository)).toEqual(['v1'])
      await repository.manifests.delete(digest)
      expect(await tagsOf(repository)).toEqual([])
    })

    it("Distribution's scheduler state is left alone", async () => {
      const { driver } = current()
      await driver.put('/scheduler-state.json', Buffer.from('{}'))
      await pushManifest(current().repository('a'), 'image', { tags: ['v1'] })
      expect(Buffer.from(await driver.get('/scheduler-state.json')).toString()).toBe('{}')
    })
  })
}
