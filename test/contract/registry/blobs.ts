import { describe, expect, it } from 'vitest'
import { digestOf } from '../../../src/core/digest.ts'
import { parseRepositoryName } from '../../../src/core/reference.ts'
import { collect, collectAll } from '../storage-driver/support.ts'
import {
  blobPath,
  expectRegistryError,
  filesIn,
  layerLink,
  pushBlob,
  type RegistryUnderTest,
} from './support.ts'

const absent = digestOf(Buffer.from('absent'))

export function describeBlobs(current: () => RegistryUnderTest): void {
  describe('blobs', () => {
    it('what is not there is unknown to every question', async () => {
      const { blobs } = current().repository('a')
      expect(await blobs.has(absent)).toBe(false)
      await expectRegistryError(blobs.stat(absent), 'BLOB_UNKNOWN')
      await expectRegistryError(blobs.open(absent), 'BLOB_UNKNOWN')
      await expectRegistryError(blobs.delete(absent), 'BLOB_UNKNOWN')
      await expectRegistryError(blobs.mount(absent), 'BLOB_UNKNOWN')
      expect(await collectAll(blobs.all())).toEqual([])
    })

    it('a blob is visible only in the repositories that have it', async () => {
      const digest = await pushBlob(current().repository('a'), 'content')
      const { blobs } = current().repository('b')
      expect(await blobs.has(digest)).toBe(false)
      await expectRegistryError(blobs.open(digest), 'BLOB_UNKNOWN')
    })

    it.each([
      [{ start: 0, end: 0 }, '0'],
      [{ start: 3, end: 5 }, '345'],
      [{ start: 9, end: 9 }, '9'],
      [{ start: 0, end: 9 }, '0123456789'],
    ])('the range %o is read with both ends', async (range, text) => {
      const { blobs } = current().repository('a')
      const blob = await blobs.open(await pushBlob(current().repository('a'), '0123456789'))
      expect((await collect(blob.read({ range }))).toString()).toBe(text)
      expect((await collect(blob.read())).toString()).toBe('0123456789')
    })

    it('reading ends when it is told to', async () => {
      const { blobs } = current().repository('a')
      const blob = await blobs.open(await pushBlob(current().repository('a'), '0123456789'))
      await expect(collect(blob.read({ signal: AbortSignal.abort() }))).rejects.toMatchObject({
        code: 'ABORTED',
      })
    })

    it('are listed in the order of their digests, behind a given one', async () => {
      const repository = current().repository('a')
      const digests = []
      for (let index = 0; index < 12; index++) {
        digests.push(await pushBlob(repository, `blob ${index}`, index % 3 === 0 ? 'sha512' : 'sha256'))
        digests.push(digestOf(Buffer.from(`blob ${index}`)))
      }
      const sorted = [...new Set(digests)].sort()
      expect(await collectAll(repository.blobs.all())).toEqual(sorted)
      for (const [index, after] of sorted.entries()) {
        expect(await collectAll(repository.blobs.all({ after }))).toEqual(sorted.slice(index + 1))
      }
    })

    it('bytes that two repositories have are stored once', async () => {
      const { driver } = current()
      const digest = await pushBlob(current().repository('a'), 'content')
      await pushBlob(current().repository('b/c'), 'content')
      expect(await filesIn(driver)).toEqual({
        [blobPath(digest)]: 'content',
        [layerLink('a', digest)]: digest,
        [layerLink('b/c', digest)]: digest,
      })
    })

    it('a deleted blob is gone from its repository and stays in the others', async () => {
      const digest = await pushBlob(current().repository('a'), 'content')
      await pushBlob(current().repository('b'), 'content')
      const { blobs } = current().repository('a')
      await blobs.delete(digest)
      expect(await blobs.has(digest)).toBe(false)
      await expectRegistryError(blobs.delete(digest), 'BLOB_UNKNOWN')
      const elsewhere = await current().repository('b').blobs.open(digest)
      expect((await collect(elsewhere.read())).toString()).toBe('content')
      await pushBlob(current().repository('a'), 'content')
      expect(await blobs.has(digest)).toBe(true)
    })
  })

  describe('a mount', () => {
    const a = parseRepositoryName('a')

    it('makes a blob of a named repository one of this one, and moves no bytes', async () => {
      const { driver } = current()
      const digest = await pushBlob(current().repository('a'), 'content')
      driver.forget()
      const { blobs } = current().repository('b')
      expect(await blobs.mount(digest, a)).toEqual(await current().repository('a').blobs.stat(digest))
      expect(
        driver.calls.filter(({ path }) => path === blobPath(digest)).map(({ method }) => method),
      ).not.toContain('read')
      expect((await collect((await blobs.open(digest)).read())).toString()).toBe('content')
      await current().repository('a').blobs.delete(digest)
      expect(await blobs.has(digest)).toBe(true)
    })

    it('without a name takes it from any repository that has it', async () => {
      await pushBlob(current().repository('a'), 'other')
      const digest = await pushBlob(current().repository('z/z'), 'content')
      const { blobs } = current().repository('b')
      await blobs.mount(digest)
      expect(await blobs.has(digest)).toBe(true)
    })

    it('by sha512 gives this one both names', async () => {
      const digest = await pushBlob(current().repository('a'), 'content', 'sha512')
      const { blobs } = current().repository('b')
      expect(await blobs.mount(digest, a)).toMatchObject({ digest, size: 7 })
      expect(await collectAll(blobs.all())).toEqual([digestOf(Buffer.from('content')), digest])
      const { blobs: third } = current().repository('c')
      await third.mount(digest)
      expect(await third.has(digest)).toBe(true)
    })

    it('of what the named repository does not have is refused, even where another has it', async () => {
      const digest = await pushBlob(current().repository('other'), 'content')
      const { blobs } = current().repository('b')
      await expectRegistryError(blobs.mount(digest, a), 'BLOB_UNKNOWN')
      expect(await blobs.has(digest)).toBe(false)
      expect(await current().repository('b').exists()).toBe(false)
    })

    it('of bytes that no repository has any more is refused', async () => {
      const digest = await pushBlob(current().repository('a'), 'content')
      await current().repository('a').blobs.delete(digest)
      await expectRegistryError(current().repository('b').blobs.mount(digest), 'BLOB_UNKNOWN')
    })
  })
}
