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

/** How often it is looked what stands under a key that others write to meanwhile. */
const MAX_LOOKS = 3

/** Objects that grow, which S3 does not know. All that is known of one stands under its key, and is replaced only if it is what
 *  was read: so of several that go on with the same bytes one comes through, and what follows is a chain.
 *
 *  What fits into a part is an object, put anew when it has grown. What is larger is a multipart upload to that key that stays
 *  open; in the place of the object stands a record of its id, its parts and the bytes behind them, for who comes next, in
 *  whatever process. The upload becomes an object, over the record, when it is first read or moved.
 *
 *  What is made of an upload is what a record says, or, without any record, what its one writer knows. But not every store
 *  sees to it: versitygw looks at the tags of the parts first and opens them later, and who puts a part of the same number in
 *  between gets his in. Where only one has written the parts of a record, that can be the last one alone, for a longer one that
 *  begins with it. Where several have, the object is copied part by part, and each copy compared with what was sent. */
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

  /** The bytes of an object that fit into memory.
   *  @throws StorageError OFFSET_INVALID when another object stands there; what the SDK throws */
  content(key: string, object: StoredObject): Promise<Buffer> {
    return this.copies.content(key, object)
  }

  /** @throws StorageError OFFSET_INVALID, PATH_NOT_FOUND when another object stands there, or nothing */
  async require(key: string, object: StoredObject): Promise<void> {
    const state = await this.look(key)
    if (state === undefined) throw new StorageError('PATH_NOT_FOUND', { path: key })
    if (!isSameObject(state, object)) throw other(key)
  }

  /** @param over the entity tag of what it replaces; undefined where nothing stands, or an empty object, of which nothing was
   *    promised
   *  @throws StorageError OFFSET_INVALID, PATH_NOT_FOUND when something else stands there, or nothing; what the SDK throws */
  put(key: string, content: Uint8Array, over: string | undefined): Promise<StoredObject> {
    return this.#over(key, over, (condition) => this.writes.put(key, content, { condition }))
  }

  async begin(key: string, mark: string = randomUUID()): Promise<MarkedUpload> {
    return { key, uploadId: await this.bucket.createUpload(key, marked(mark)), mark }
  }

  /** Lets go of an upload that nobody else knows of. */
  async abandon(upload: MarkedUpload): Promise<void> {
    // What can't be aborted now is found by incompleteUploads().
    await this.bucket.abortUpload(upload).catch(() => undefined)
  }

  /** As `put`. */
  async putRecord(multipart: MultipartState, over: string | undefined): Promise<StoredMultipart> {
    const { key } = multipart.upload
    const [content, metadata] = [formatRecord(multipart), metadataOf(multipart)]
    const put = (condition: Condition) => this.writes.put(key, content, { condition, metadata })
    const { etag } = await this.#over(key, over, put)
    return { ...multipart, etag }
  }

  /** @throws StorageError OFFSET_INVALID when another object stands there; what the SDK throws */
  async readRecord(key: string, etag: string): Promise<StoredMultipart> {
    const found = await this.bucket.content(key, { etag })
    if (found.etag !== etag) throw other(key)
    return { ...parseRecord(key, found.content), etag }
  }

  /** Makes an object of an upload of which no record speaks. Otherwise as `put`. */
  finish(multipart: MultipartState, over: string | undefined): Promise<StoredObject> {
    const { key } = multipart.upload
    return this.#over(key, over, (condition) =>
      this.writes.complete(multipart, { condition, isOnlyOne: true }),
    )
  }

  /** The bytes that a version names, or else the object that stands there; made first, if there are only its parts.
   *  @throws StorageError OFFSET_INVALID, PATH_NOT_FOUND; what the SDK throws */
  async objectOf(key: string, known: KnownBytes | undefined): Promise<MeantBytes> {
    if (known === undefined) return { ...(await this.#standingObject(key)), mayBeLonger: false }
    if (known.kind === 'object') return { ...known, mayBeLonger: false }
    try {
      return await this.sealed(await this.readRecord(key, known.etag))
    } catch (error) {
      return this.made(key, { of: known, instead: error })
    }
  }

  /** Makes an object of what a record says.
   *  @throws StorageError OFFSET_INVALID, PATH_NOT_FOUND when something else stands there by now; what the SDK throws */
  async sealed(record: StoredMultipart): Promise<MeantBytes> {
    const { upload, isShared } = record
    const { parts, ...object } = await this.#seal(record)
    if (!isShared) return { ...object, mayBeLonger: true }
    return { ...(await this.#copyInPlace(upload, { object, parts })), mayBeLonger: false }
  }

  /** The object that was made of parts, by whoever read or moved them.
   *  @param instead of the record that is no longer there: thrown when there is no such object, or it can't be told what it is
   *    made of */
  async made(key: string, { of, instead }: { of: KnownBytes; instead: unknown }): Promise<MeantBytes> {
    if (!isOther(instead) || !this.support.replaceOnly) throw instead
    const isShared = of.kind === 'shared-parts'
    const mark = isShared ? copyMark(of.mark) : of.mark
    const state = await this.look(key)
    const isMade = state?.kind === 'object' && state.size === of.size && state.mark === mark
    if (!isMade) throw instead
    return { ...state, mayBeLonger: !isShared }
  }

  /** Records follow each other in a chain, in which each is longer than the one before: none but this one says as many bytes. */
  #seal(record: StoredMultipart): Promise<CompletedObject> {
    const isOnlyOne = this.support.replaceOnly
    return this.writes.complete(record, { condition: { etag: record.etag }, isOnlyOne })
  }

  /** Puts an object in its own place that is nobody else's and made of these parts.
   *  @throws StorageError OFFSET_INVALID when it was made of others; what the SDK throws */
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
