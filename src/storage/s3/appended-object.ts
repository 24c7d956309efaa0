import { randomUUID } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import { StorageError } from '../../core/errors.ts'
import type { Abilities } from './abilities.ts'
import type { Bucket, Condition, ObjectInfo, OpenUpload, Part } from './bucket.ts'
import { isConditionFailed, isMissing, isNoSuchUpload, isUncertain } from './errors.ts'

/** What is kept of an object that is being appended to, once it has more bytes than one part: they are the parts of an
 *  open multipart upload to its key, and those behind the last part, too few for one of their own, are in the record. */
export interface Assembly {
  readonly uploadId: string
  readonly parts: readonly Part[]
  readonly tail: Uint8Array
}

/** What stands under a key: nothing, an object, or one in the making. */
export type Standing =
  | { readonly kind: 'absent' }
  | ({ readonly kind: 'object' } & Omit<ObjectInfo, 'metadata'>)
  | ({ readonly kind: 'assembly' } & Omit<ObjectInfo, 'metadata'>)

/** An object as this process has last left it. */
export interface KnownObject {
  readonly size: number
  readonly etag: string
}

const MAX_KNOWN = 10_000

/** No path can name it, and listings of folders leave it out. */
const RECORD_SUFFIX = '~parts'

export function recordKey(key: string): string {
  return `${key}${RECORD_SUFFIX}`
}

export function isRecord(key: string): boolean {
  return key.endsWith(RECORD_SUFFIX)
}

export function objectKeyOf(record: string): string {
  return record.slice(0, -RECORD_SUFFIX.length)
}

/** Objects that grow, which S3 does not know: an object that fits into a part is put anew when it has grown; a larger one
 *  is a multipart upload that stays open, with a record beside it, `<key>~parts`, of its id, its parts and the bytes behind
 *  them. The record is written as one object, so that who comes next, in whatever process, finds what was promised. The
 *  record counts where an object stands at the key too. An assembly becomes an object when it is first read or moved. */
export class AppendedObjects {
  readonly bucket: Bucket
  readonly abilities: Abilities
  readonly #known = new LRUCache<string, KnownObject>({ max: MAX_KNOWN })

  constructor(bucket: Bucket, abilities: Abilities) {
    this.bucket = bucket
    this.abilities = abilities
  }

  /** An object that this process has put last; another may have put one since. */
  known(key: string): KnownObject | undefined {
    return this.#known.get(key)
  }

  learn(key: string, object: KnownObject): void {
    this.#known.set(key, object)
  }

  forget(key: string): void {
    this.#known.delete(key)
  }

  /** That what is replaced is the object of the entity tag, or that there is none, as far as the store honours it. */
  conditionOver(etag: string | undefined): Condition {
    const { createOnly, replaceOnly } = this.abilities
    if (etag === undefined) return createOnly ? { absent: true } : undefined
    return replaceOnly ? { etag } : undefined
  }

  async look(key: string): Promise<Standing> {
    const [object, record] = await Promise.all([this.#head(key), this.#head(recordKey(key))])
    if (record === undefined) return object === undefined ? { kind: 'absent' } : { ...object, kind: 'object' }
    const { size } = promisedBy(record)
    if (object === undefined) return { ...record, kind: 'assembly', size }
    // A crash has left both: the object is all of it, or what was put before there were parts.
    const isWhole = object.size === size
    await this.bucket.remove(isWhole ? recordKey(key) : key)
    return isWhole ? { ...object, kind: 'object' } : { ...record, kind: 'assembly', size }
  }

  /** Size and age of an assembly; undefined when there is none. */
  async assembling(key: string): Promise<{ size: number; modifiedAt: Date } | undefined> {
    const record = await this.#head(recordKey(key))
    return record && { size: promisedBy(record).size, modifiedAt: record.modifiedAt }
  }

  /** The id of the multipart upload that the record beside the key is about. */
  async uploadIdOf(key: string): Promise<string | undefined> {
    const record = await this.#head(recordKey(key))
    return record && promisedBy(record).uploadId
  }

  async readRecord(key: string): Promise<(Assembly & { etag: string }) | undefined> {
    try {
      const { Body, ETag: etag = '' } = await this.bucket.get(recordKey(key))
      const content = Buffer.from((await Body?.transformToByteArray()) ?? [])
      return { ...parseRecord(content), etag }
    } catch (error) {
      if (isMissing(error)) return undefined
      throw error
    }
  }

  /** @returns the record's entity tag
   *  @param etag of the record that it replaces */
  async writeRecord(key: string, assembly: Assembly, etag: string | undefined): Promise<string> {
    return this.put(recordKey(key), formatRecord(assembly), {
      condition: this.conditionOver(etag),
      metadata: { size: `${sizeOf(assembly)}`, 'upload-id': assembly.uploadId },
    })
  }

  /** As the bucket's own, but whether a condition failed only because the request was repeated, after it had come through,
   *  is seen from what stands there.
   *  @throws StorageError OFFSET_INVALID when the condition does not hold */
  async put(key: string, body: Uint8Array, { condition, metadata }: PutRequest = {}): Promise<string> {
    const writer = randomUUID()
    try {
      return await this.bucket.put(key, body, { condition, metadata: { ...metadata, writer } })
    } catch (error) {
      if (!isConditionFailed(error)) throw error
      const standing = await this.#head(key)
      if (standing?.metadata.writer === writer) return standing.etag
      throw new StorageError('OFFSET_INVALID', { path: key, cause: error })
    }
  }

  /** Makes an object of an assembly, if there is one under the key. */
  async seal(key: string): Promise<KnownObject | undefined> {
    const record = await this.readRecord(key)
    if (record === undefined) return undefined
    const object = await this.finish({ key, uploadId: record.uploadId }, record)
    await this.bucket.remove(recordKey(key))
    return object
  }

  /** Puts what is behind the parts as the last one, and makes an object of them all. Where the answers leave it open whether
   *  it came to that, or speak of a repetition, it is seen from what stands there. */
  async finish(
    upload: Pick<OpenUpload, 'key' | 'uploadId'>,
    { parts, tail }: Pick<Assembly, 'parts' | 'tail'>,
  ): Promise<KnownObject> {
    const size = sizeOf({ parts, tail })
    let etag: string
    try {
      const last = tail.byteLength > 0 ? [await this.bucket.putPart(upload, parts.length + 1, tail)] : []
      etag = await this.bucket.completeUpload(upload, [...parts, ...last])
    } catch (error) {
      if (!isUncertain(error) && !isNoSuchUpload(error)) throw error
      const standing = await this.#head(upload.key)
      if (standing?.size !== size) throw error
      etag = standing.etag
    }
    const object = { size, etag }
    this.learn(upload.key, object)
    return object
  }

  async #head(key: string): Promise<ObjectInfo | undefined> {
    try {
      return await this.bucket.head(key)
    } catch (error) {
      if (isMissing(error)) return undefined
      throw error
    }
  }
}

interface PutRequest {
  readonly condition?: Condition
  readonly metadata?: Readonly<Record<string, string>>
}

function sizeOf({ parts, tail }: Pick<Assembly, 'parts' | 'tail'>): number {
  return parts.reduce((sum, part) => sum + part.size, tail.byteLength)
}

/** What stands on the record's envelope, so that its content need not be fetched. */
function promisedBy({ metadata }: ObjectInfo): { size: number; uploadId: string | undefined } {
  return { size: Number(metadata.size), uploadId: metadata['upload-id'] }
}

/** A line of JSON, and the bytes behind the last part. */
function formatRecord({ uploadId, parts, tail }: Assembly): Buffer {
  const head = { uploadId, parts: parts.map(({ etag, size }) => [etag, size]) }
  return Buffer.concat([Buffer.from(`${JSON.stringify(head)}\n`), tail])
}

function parseRecord(content: Buffer): Assembly {
  const end = content.indexOf('\n')
  const head: { uploadId: string; parts: [string, number][] } = JSON.parse(
    content.subarray(0, end).toString(),
  )
  return {
    uploadId: head.uploadId,
    parts: head.parts.map(([etag, size]) => ({ etag, size })),
    tail: content.subarray(end + 1),
  }
}
