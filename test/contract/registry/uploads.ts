import { randomUUID } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { digestOf } from '../../../src/core/digest.ts'
import { StorageError } from '../../../src/core/errors.ts'
import {
  collect,
  collectAll,
  distinctBytes,
  expectSameBytes,
  expectStorageError,
} from '../storage-driver/support.ts'
import {
  blobPath,
  chunksOf,
  expectRegistryError,
  filesIn,
  layerLink,
  pushBlob,
  type RegistryUnderTest,
  ROOT,
  uploadOf,
} from './support.ts'

const hello = digestOf(Buffer.from('hello, world'))

export function describeUploads(current: () => RegistryUnderTest): void {
  describe('uploads', () => {
    it('bytes that are appended in pieces become one blob', async () => {
      const repository = current().repository('a/b')
      const upload = await repository.blobs.createUpload()
      expect(upload.size).toBe(0)
      await upload.append(chunksOf('hel', 'lo'))
      expect(upload.size).toBe(5)
      await upload.append(chunksOf(', '), { offset: 5 })
      await upload.append(chunksOf('world'), { last: true })
      const descriptor = { mediaType: 'application/octet-stream', digest: hello, size: 12 }
      expect(await upload.commit(hello)).toEqual(descriptor)
      const blob = await repository.blobs.open(hello)
      expect(blob.descriptor).toEqual(descriptor)
      expect((await collect(blob.read())).toString()).toBe('hello, world')
    })

    it('digests that the caller computes are used, and bytes are hashed if it does not know them', async () => {
      const { blobs } = current().repository('a')
      const asked: number[] = []
      const digestsOf = (size: number) => {
        asked.push(size)
        return size === 12 ? [hello] : []
      }
      const upload = await blobs.createUpload({ digestsOf })
      await upload.append(chunksOf('hello, ', 'world'), { last: true })
      expect(await upload.commit(hello)).toMatchObject({ digest: hello, size: 12 })
      expect(asked).toContain(12)
      expect((await collect((await blobs.open(hello)).read())).toString()).toBe('hello, world')
      const other = await blobs.createUpload({ digestsOf })
      await other.append(chunksOf('hello, '), { last: true })
      await expectRegistryError(other.commit(hello), 'DIGEST_INVALID')
    })

    it('many megabytes arrive as they were sent', async () => {
      const repository = current().repository('a')
      const content = distinctBytes(9_000_001)
      const digest = await pushBlob(repository, content)
      expectSameBytes(await collect((await repository.blobs.open(digest)).read()), content)
    })

    it.each(['sha256', 'sha512'] as const)(
      'an upload without bytes becomes the empty blob by %s',
      async (algorithm) => {
        const repository = current().repository('a')
        const digest = digestOf(Buffer.of(), algorithm)
        const upload = await repository.blobs.createUpload({ algorithm })
        await upload.commit(digest)
        const blob = await repository.blobs.open(digest)
        expect(blob.descriptor.size).toBe(0)
        expect(await collect(blob.read())).toEqual(Buffer.of())
      },
    )

    it.each([{ algorithm: 'sha256' }, { algorithm: 'sha512' }, {}] as const)(
      'begun with %o it can be finished by sha256 and by sha512',
      async (options) => {
        const { blobs } = current().repository('a')
        for (const algorithm of ['sha256', 'sha512'] as const) {
          const digest = digestOf(Buffer.from('hello, world'), algorithm)
          const upload = await blobs.createUpload(options)
          await upload.append(chunksOf('hello, world'))
          expect(await upload.commit(digest)).toMatchObject({ digest, size: 12 })
        }
      },
    )

    it('another process goes on where this one stopped', async () => {
      const begun = await uploadOf(current().repository('a'), 'hello')
      const second = await (await current().onOtherReplica('a')).blobs.getUpload(begun.id)
      expect(second).toMatchObject({ id: begun.id, size: 5, repository: 'a', startedAt: begun.startedAt })
      await second.append(chunksOf(', world'), { offset: 5 })
      const third = await (await current().onOtherReplica('a')).blobs.getUpload(begun.id)
      expect(third.size).toBe(12)
      await third.commit(hello)
      expect(await current().repository('a').blobs.has(hello)).toBe(true)
    })

    it('another process finishes without reading the bytes again', async () => {
      const { id } = await uploadOf(await current().onOtherReplica('a'), 'hello, world')
      await (await current().repository('a').blobs.getUpload(id)).commit(hello)
      expect(current().driver.count('read')).toBe(0)
    })

    it('another process reads the bytes again where it is asked for an algorithm that nobody computed', async () => {
      const { id } = await uploadOf(await current().onOtherReplica('a'), 'hello, ', 'world')
      const digest = digestOf(Buffer.from('hello, world'), 'sha512')
      await expectRegistryError(current().repository('a').blobs.stat(digest), 'BLOB_UNKNOWN')
      await (await current().repository('a').blobs.getUpload(id)).commit(digest)
      expect(await current().repository('a').blobs.has(digest)).toBe(true)
    })

    it('bytes that belong elsewhere are refused, and those before stay', async () => {
      const { blobs } = current().repository('a')
      const upload = await uploadOf(current().repository('a'), 'hello')
      for (const offset of [0, 4, 6]) {
        await expectRegistryError(upload.append(chunksOf('x'), { offset }), 'RANGE_INVALID')
      }
      expect((await blobs.getUpload(upload.id)).size).toBe(5)
      await upload.append(chunksOf(', world'), { offset: 5 })
      await upload.commit(hello)
    })

    it('bytes are refused when another process has added some since', async () => {
      const upload = await uploadOf(current().repository('a'), 'hello')
      await (await (await current().onOtherReplica('a')).blobs.getUpload(upload.id)).append(chunksOf(', '))
      await expectRegistryError(upload.append(chunksOf(', world')), 'RANGE_INVALID')
      const resumed = await current().repository('a').blobs.getUpload(upload.id)
      expect(resumed.size).toBe(7)
      await resumed.append(chunksOf('world'))
      await resumed.commit(hello)
    })

    it('is not finished with the digest of what it had before another process added some', async () => {
      const { blobs } = current().repository('a')
      const upload = await uploadOf(current().repository('a'), 'hello, world')
      await (await (await current().onOtherReplica('a')).blobs.getUpload(upload.id)).append(chunksOf('!'))
      await expectRegistryError(upload.commit(hello), 'RANGE_INVALID')
      expect(await blobs.has(hello)).toBe(false)
      const all = digestOf(Buffer.from('hello, world!'))
      await (await blobs.getUpload(upload.id)).commit(all)
      expect((await collect((await blobs.open(all)).read())).toString()).toBe('hello, world!')
    })

    it('bytes that could not be written do not stand for those that come in their place', async () => {
      const { blobs } = current().repository('a')
      const upload = await uploadOf(current().repository('a'), 'hello')
      current().driver.fault = failAt('writer.write', '/data')
      await expectStorageError(upload.append(chunksOf(', world')), 'BACKEND_FAILED')
      current().driver.fault = () => undefined
      await upload.append(chunksOf(', dolly'))
      await expectRegistryError(upload.commit(hello), 'DIGEST_INVALID')
      expect(await blobs.has(hello)).toBe(false)
    })

    it('nobody else writes while somebody does', async () => {
      const { blobs } = current().repository('a')
      const upload = await blobs.createUpload()
      const { promise: isWriting, resolve: writes } = Promise.withResolvers<void>()
      const { promise: mayGoOn, resolve: goOn } = Promise.withResolvers<void>()
      const appended = upload.append(
        (async function* () {
          yield Buffer.from('hello, ')
          writes()
          await mayGoOn
          yield Buffer.from('world')
        })(),
      )
      await isWriting
      const second = await blobs.getUpload(upload.id)
      await expectRegistryError(second.append(chunksOf('x')), 'RANGE_INVALID')
      await expectRegistryError(second.commit(hello), 'RANGE_INVALID')
      await expectRegistryError(second.cancel(), 'RANGE_INVALID')
      goOn()
      await appended
      await upload.commit(hello)
      expect(await blobs.has(hello)).toBe(true)
    })

    it('a source that fails midway leaves what came before, and the upload can go on', async () => {
      const { blobs } = current().repository('a')
      const upload = await blobs.createUpload()
      const failing = async function* () {
        yield Buffer.from('hello')
        throw new Error('the client is gone')
      }
      await expect(upload.append(failing())).rejects.toThrow('the client is gone')
      expect(upload.size).toBe(5)
      const resumed = await blobs.getUpload(upload.id)
      expect(resumed.size).toBe(5)
      await resumed.append(chunksOf(', world'), { offset: 5 })
      await resumed.commit(hello)
      expect(await blobs.has(hello)).toBe(true)
    })

    it('bytes with another digest leave nothing', async () => {
      const { driver } = current()
      const upload = await uploadOf(current().repository('a'), 'hello')
      await expectRegistryError(upload.commit(hello), 'DIGEST_INVALID')
      await expectRegistryError(current().repository('a').blobs.getUpload(upload.id), 'BLOB_UPLOAD_UNKNOWN')
      expect(await filesIn(driver)).toEqual({})
      expect(await current().repository('a').exists()).toBe(false)
    })

    it('a wrong digest for content that is known elsewhere does not reveal or link it', async () => {
      const other = await pushBlob(current().repository('other'), 'secret')
      const upload = await uploadOf(current().repository('a'), 'hello')
      await expectRegistryError(upload.commit(other), 'DIGEST_INVALID')
      expect(await current().repository('a').blobs.has(other)).toBe(false)
    })

    it('a cancelled upload is gone with its bytes', async () => {
      const { blobs } = current().repository('a')
      const upload = await uploadOf(current().repository('a'), 'hello')
      await upload.cancel()
      await expectRegistryError(blobs.getUpload(upload.id), 'BLOB_UPLOAD_UNKNOWN')
      expect(await filesIn(current().driver)).toEqual({})
    })

    it.each([randomUUID(), 'x', '', '..', '../x', randomUUID().toUpperCase(), `${randomUUID()}/data`])(
      'there is no upload %j',
      async (id) => {
        await uploadOf(current().repository('a'), 'hello')
        await expectRegistryError(current().repository('a').blobs.getUpload(id), 'BLOB_UPLOAD_UNKNOWN')
      },
    )

    it('an upload belongs to its repository', async () => {
      const upload = await uploadOf(current().repository('a'), 'hello')
      await expectRegistryError(current().repository('b').blobs.getUpload(upload.id), 'BLOB_UPLOAD_UNKNOWN')
    })

    it('the time of the last bytes is known', async () => {
      const { blobs } = current().repository('a')
      const begun = await blobs.createUpload()
      expect((await blobs.getUpload(begun.id)).lastWrittenAt).toEqual(begun.startedAt)
      await begun.append(chunksOf('hello'))
      const { lastWrittenAt, startedAt } = await blobs.getUpload(begun.id)
      expect(lastWrittenAt.getTime()).toBeGreaterThanOrEqual(startedAt.getTime())
      expect(startedAt.getMilliseconds()).toBe(0)
    })
  })

  describe('a finish', () => {
    it('may be repeated, by the same process and by another', async () => {
      const { blobs } = current().repository('a')
      const upload = await uploadOf(current().repository('a'), 'hello, world')
      const another = await (await current().onOtherReplica('a')).blobs.getUpload(upload.id)
      const first = await upload.commit(hello)
      expect(await upload.commit(hello)).toEqual(first)
      expect(await another.commit(hello)).toEqual(first)
      expect(await blobs.has(hello)).toBe(true)
    })

    it('of an upload that was cancelled meanwhile finds no upload', async () => {
      const { blobs } = current().repository('a')
      const upload = await uploadOf(current().repository('a'), 'hello, world')
      await (await blobs.getUpload(upload.id)).cancel()
      await expectRegistryError(upload.commit(hello), 'BLOB_UPLOAD_UNKNOWN')
    })

    it('that was cut short after the bytes were taken over is completed by its repetition', async () => {
      const { driver } = current()
      const { blobs } = current().repository('a')
      const upload = await uploadOf(current().repository('a'), 'hello, world')
      driver.fault = failAt('put', layerLink('a', hello))
      await expectStorageError(upload.commit(hello), 'BACKEND_FAILED')
      expect(await blobs.has(hello)).toBe(false)
      expect(Buffer.from(await driver.get(blobPath(hello))).toString()).toBe('hello, world')
      driver.fault = () => undefined
      await (await blobs.getUpload(upload.id)).commit(hello)
      expect((await collect((await blobs.open(hello)).read())).toString()).toBe('hello, world')
    })

    it('that was cut short while it removed the upload is repeated with success', async () => {
      const { driver } = current()
      const { blobs } = current().repository('a')
      const upload = await uploadOf(current().repository('a'), 'hello, world')
      const startedAt = `${ROOT}/repositories/a/_uploads/${upload.id}/startedat`
      const content = await driver.get(startedAt)
      await upload.commit(hello)
      await driver.put(startedAt, content)
      const left = await (await current().onOtherReplica('a')).blobs.getUpload(upload.id)
      expect(await left.commit(hello)).toMatchObject({ digest: hello, size: 12 })
      await expectRegistryError(blobs.getUpload(upload.id), 'BLOB_UPLOAD_UNKNOWN')
    })

    it('of nothing is no blob that another repository has', async () => {
      await pushBlob(current().repository('b'), 'hello, world')
      const upload = await current().repository('a').blobs.createUpload()
      await expectRegistryError(upload.commit(hello), 'DIGEST_INVALID')
      expect(await current().repository('a').blobs.has(hello)).toBe(false)
    })

    it('that was cut short there is completed by another process', async () => {
      const { driver } = current()
      const upload = await uploadOf(current().repository('a'), 'hello, world')
      driver.fault = failAt('put', layerLink('a', hello))
      await expectStorageError(upload.commit(hello), 'BACKEND_FAILED')
      const resumed = await (await current().onOtherReplica('a')).blobs.getUpload(upload.id)
      await resumed.commit(hello)
      expect(await current().repository('a').blobs.has(hello)).toBe(true)
      await expectRegistryError(current().repository('a').blobs.getUpload(upload.id), 'BLOB_UPLOAD_UNKNOWN')
    })

    it('that could not remove the upload is completed by its repetition', async () => {
      const { driver } = current()
      const { blobs } = current().repository('a')
      const upload = await uploadOf(current().repository('a'), 'hello, world')
      driver.fault = failAt('delete', `/_uploads/${upload.id}`)
      await expectStorageError(upload.commit(hello), 'BACKEND_FAILED')
      driver.fault = () => undefined
      await (await blobs.getUpload(upload.id)).commit(hello)
      expect(await collectAll(current().registry.uploads())).toEqual([])
    })

    it('of a second upload of the same bytes side by side succeeds like the first', async () => {
      const { driver } = current()
      const repository = current().repository('a')
      const uploads = await Promise.all([
        uploadOf(repository, 'hello', ', world'),
        uploadOf(repository, 'hello, ', 'world'),
        uploadOf(current().repository('b'), 'hello, world'),
      ])
      await Promise.all(uploads.map((upload) => upload.commit(hello)))
      expect(await filesIn(driver)).toEqual({
        [blobPath(hello)]: 'hello, world',
        [layerLink('a', hello)]: hello,
        [layerLink('b', hello)]: hello,
      })
    })
  })
}

function failAt(method: string, end: string) {
  return (call: { method: string; path: string }) =>
    call.method === method && call.path.endsWith(end)
      ? new StorageError('BACKEND_FAILED', { path: call.path })
      : undefined
}
