import { randomUUID } from 'node:crypto'
import { StorageError } from '../../core/errors.ts'
import type { Bucket, Condition, Part } from './bucket.ts'
import type { ConditionalWriteSupport } from './conditional-write-support.ts'
import { type CompletedObject, ConditionalWrites } from './conditional-writes.ts'
import { CopiedParts, type CopySettings } from './copying/copied-parts.ts'
import { isOther } from './errors.ts'
import {
  copyMark,
  formatRecord,
  type MarkedUpload,
  type MultipartState,
  marked,
  metadataOf,
  type ObjectState,
  parseRecord,
  type StoredMultipart,
  wholeOf,
} from './record.ts'
import { isSameObject, type KnownBytes, type MeantBytes, type StoredObject } from './versions.ts'

/** Attempts at reading a key that others write to meanwhile. */
const MAX_LOOKS = 3

/** Objects that are appended to, which S3 lacks. All state is under the object's key, and replaced only if it
 *  is unchanged: of several writers that continue from the same bytes one succeeds, so the states form a
 *  chain.
 *
 *  Content that fits into a part is an object, rewritten when it grows. Larger content is an open multipart
 *  upload to the key; in the object's place is a record of the upload's id, its parts and the bytes after
 *  them, so that any process can continue it. The upload is completed, over the record, when it is first read
 *  or moved. See docs/decisions/010-uploads-in-s3.md.
 *
 *  An upload must be completed with the parts of the record. Not every store guarantees that: versitygw
 *  checks the parts' tags first and opens the parts later, so another writer can replace one in between. If a
 *  single writer has written the parts, only the last one can differ, by being longer. Otherwise the object
 *  is copied part by part, and each copy is verified. */
export class AppendedObjects {
  readonly bucket: Bucket
  readonly support: ConditionalWriteSupport
  readonly copies: CopiedParts
  readonly writes: ConditionalWrites

  constructor(bucket: Bucket, support: ConditionalWriteSupport, settings: CopySettings) {
    this.bucket = bucket
    this.support = support
    this.copies = new CopiedParts(bucket, support, settings)
    this.writes = new ConditionalWrites(bucket, support)
  }

  look(key: string): Promise<ObjectState | undefined> {
    return this.writes.look(key)
  }

  /** The content of a small object.
   *  @throws StorageError OFFSET_INVALID if the object has changed; the SDK's errors */
  content(key: string, object: StoredObject): Promise<Buffer> {
    return this.copies.content(key, object)
  }

  /** Checks that an object is unchanged.
   *  @throws StorageError OFFSET_INVALID, PATH_NOT_FOUND if it has changed or is missing */
  async require(key: string, object: StoredObject): Promise<void> {
    const state = await this.look(key)
    if (state === undefined) throw new StorageError('PATH_NOT_FOUND', { path: key })
    if (!isSameObject(state, object)) throw other(key)
  }

  /** Writes an object.
   *  @param over the entity tag of the replaced object; undefined if there is none, or an empty one, which
   *    was not acknowledged
   *  @throws StorageError OFFSET_INVALID, PATH_NOT_FOUND if another object is there, or none; the SDK's
   *    errors */
  put(key: string, content: Uint8Array, over: string | undefined): Promise<StoredObject> {
    return this.#over(key, over, (condition) => this.writes.put(key, content, { condition }))
  }

  async begin(key: string, mark: string = randomUUID()): Promise<MarkedUpload> {
    return { key, uploadId: await this.bucket.createUpload(key, marked(mark)), mark }
  }

  /** Aborts an upload that no record names. */
  async abandon(upload: MarkedUpload): Promise<void> {
    // Uploads that can't be aborted now are found by incompleteUploads().
    await this.bucket.abortUpload(upload).catch(() => undefined)
  }

  /** Writes a record, like `put`. */
  async putRecord(multipart: MultipartState, over: string | undefined): Promise<StoredMultipart> {
    const { key } = multipart.upload
    const [content, metadata] = [formatRecord(multipart), metadataOf(multipart)]
    const put = (condition: Condition) => this.writes.put(key, content, { condition, metadata })
    const { etag } = await this.#over(key, over, put)
    return { ...multipart, etag }
  }

  /** Reads a record.
   *  @throws StorageError OFFSET_INVALID if it has changed; the SDK's errors */
  async readRecord(key: string, etag: string): Promise<StoredMultipart> {
    const found = await this.bucket.content(key, { etag })
    if (found.etag !== etag) throw other(key)
    return { ...parseRecord(key, found.content), etag }
  }

  /** Completes an upload that no record names. Otherwise like `put`. */
  finish(multipart: MultipartState, over: string | undefined): Promise<StoredObject> {
    const { key } = multipart.upload
    return this.#over(key, over, (condition) =>
      this.writes.complete(multipart, { condition, isOnlyOne: true }),
    )
  }

  /** The object of a version, or else the present one; completed first if there is only a record.
   *  @throws StorageError OFFSET_INVALID, PATH_NOT_FOUND; the SDK's errors */
  async objectOf(key: string, known: KnownBytes | undefined): Promise<MeantBytes> {
    if (known === undefined) return { ...(await this.#standingObject(key)), mayBeLonger: false }
    if (known.kind === 'object') return { ...known, mayBeLonger: false }
    try {
      return await this.sealed(await this.readRecord(key, known.etag))
    } catch (error) {
      return this.made(key, { of: known, instead: error })
    }
  }

  /** Completes the upload of a record.
   *  @throws StorageError OFFSET_INVALID, PATH_NOT_FOUND if the record has changed; the SDK's errors */
  async sealed(record: StoredMultipart): Promise<MeantBytes> {
    const { upload, isShared } = record
    const { parts, ...object } = await this.#seal(record)
    if (!isShared) return { ...object, mayBeLonger: true }
    return { ...(await this.#copyInPlace(upload, { object, parts })), mayBeLonger: false }
  }

  /** The object that another process has completed, of which parts are known.
   *  @param instead the error about the missing record; thrown if there is no such object, or its parts can't
   *    be determined */
  async made(key: string, { of, instead }: { of: KnownBytes; instead: unknown }): Promise<MeantBytes> {
    if (!isOther(instead) || !this.support.replaceOnly) throw instead
    const isShared = of.kind === 'shared-parts'
    const mark = isShared ? copyMark(of.mark) : of.mark
    const state = await this.look(key)
    const isMade = state?.kind === 'object' && state.size === of.size && state.mark === mark
    if (!isMade) throw instead
    return { ...state, mayBeLonger: !isShared }
  }

  /** Records form a chain in which each is longer than the one before, so no other record has this size. */
  #seal(record: StoredMultipart): Promise<CompletedObject> {
    const isOnlyOne = this.support.replaceOnly
    return this.writes.complete(record, { condition: { etag: record.etag }, isOnlyOne })
  }

  /** Copies an object onto itself, which gives it a new mark, and checks that it consists of these parts.
   *  @throws StorageError OFFSET_INVALID if it consists of others; the SDK's errors */
  async #copyInPlace(
    { key, mark }: MarkedUpload,
    { object, parts }: { object: StoredObject; parts: readonly Part[] },
  ): Promise<StoredObject> {
    const upload = await this.begin(key, copyMark(mark))
    try {
      const copied = await this.copies.asParts({ from: key, object }, parts, upload)
      return await this.finish(wholeOf(upload, copied), object.etag)
    } catch (error) {
      await this.abandon(upload)
      throw error
    }
  }

  async #standingObject(key: string): Promise<StoredObject> {
    for (let looks = 1; ; looks++) {
      const state = await this.look(key)
      if (state === undefined) throw new StorageError('PATH_NOT_FOUND', { path: key })
      if (state.kind === 'object') return state
      try {
        return await this.sealed(await this.readRecord(key, state.etag))
      } catch (error) {
        if (!isOther(error) || looks === MAX_LOOKS) throw error
      }
    }
  }

  async #over<Result>(
    key: string,
    over: string | undefined,
    write: (condition: Condition) => Promise<Result>,
  ): Promise<Result> {
    if (over !== undefined) return write({ etag: over })
    try {
      return await write({ absent: true })
    } catch (error) {
      if (!isOther(error)) throw error
      const state = await this.look(key)
      if (state?.kind !== 'object' || state.size > 0) throw error
      return write({ etag: state.etag })
    }
  }
}

function other(path: string): StorageError {
  return new StorageError('OFFSET_INVALID', { path })
}
