import { randomUUID } from 'node:crypto'
import { StorageError } from '../../core/errors.ts'
import type { Abilities } from './abilities.ts'
import type { Bucket, Condition } from './bucket.ts'
import { ConditionalWrites } from './conditional-writes.ts'
import { isOther } from './errors.ts'
import {
  type Assembly,
  formatRecord,
  type MarkedUpload,
  marked,
  markOf,
  metadataOf,
  parseRecord,
  type Standing,
  type StoredAssembly,
} from './record.ts'
import { isSameObject, type KnownBytes, type StoredObject } from './versions.ts'

/** How often it is looked what stands under a key that others write to meanwhile. */
const MAX_LOOKS = 3

/** Objects that grow, which S3 does not know. All that is known of one stands under its key, and is replaced only if it is what
 *  was read: so of several that go on with the same bytes one comes through, and what follows is a chain.
 *
 *  What fits into a part is an object, put anew when it has grown. What is larger is a multipart upload to that key that stays
 *  open; in the place of the object stands a record of its id, its parts and the bytes behind them, for who comes next, in
 *  whatever process. The upload becomes an object, over the record, when it is first read or moved: nothing else is ever made
 *  of an upload than what a record says, or, without any record, what its one writer knows. */
export class AppendedObjects {
  readonly bucket: Bucket
  readonly abilities: Abilities
  readonly writes: ConditionalWrites

  constructor(bucket: Bucket, abilities: Abilities) {
    this.bucket = bucket
    this.abilities = abilities
    this.writes = new ConditionalWrites(bucket, abilities)
  }

  look(key: string): Promise<Standing | undefined> {
    return this.writes.look(key)
  }

  /** The bytes of an object, or of a range of it, that fit into memory.
   *  @param range as `bytes=0-9`
   *  @throws StorageError OFFSET_INVALID when another object stands there; what the SDK throws */
  async content(key: string, object: StoredObject, range?: string): Promise<Buffer> {
    const { content, etag, metadata } = await this.bucket.content(key, { etag: object.etag, range })
    if (!isSameObject({ etag, mark: markOf(metadata) }, object)) throw other(key)
    return content
  }

  /** @throws StorageError OFFSET_INVALID, PATH_NOT_FOUND when another object stands there, or nothing */
  async require(key: string, object: StoredObject): Promise<void> {
    const standing = await this.look(key)
    if (standing === undefined) throw new StorageError('PATH_NOT_FOUND', { path: key })
    if (!isSameObject(standing, object)) throw other(key)
  }

  /** @param over the entity tag of what it replaces; undefined where nothing stands, or an empty object, of which nothing was
   *    promised
   *  @throws StorageError OFFSET_INVALID, PATH_NOT_FOUND when something else stands there, or nothing; what the SDK throws */
  put(key: string, content: Uint8Array, over: string | undefined): Promise<StoredObject> {
    return this.#over(key, over, (condition) => this.writes.put(key, content, { condition }))
  }

  async begin(key: string): Promise<MarkedUpload> {
    const mark = randomUUID()
    return { key, uploadId: await this.bucket.createUpload(key, marked(mark)), mark }
  }

  /** As `put`. */
  async putRecord(assembly: Assembly, over: string | undefined): Promise<StoredAssembly> {
    const { key } = assembly.upload
    const [content, metadata] = [formatRecord(assembly), metadataOf(assembly)]
    const put = (condition: Condition) => this.writes.put(key, content, { condition, metadata })
    const { etag } = await this.#over(key, over, put)
    return { ...assembly, etag }
  }

  /** @throws StorageError OFFSET_INVALID when another object stands there; what the SDK throws */
  async readRecord(key: string, etag: string): Promise<StoredAssembly> {
    const found = await this.bucket.content(key, { etag })
    if (found.etag !== etag) throw other(key)
    return { ...parseRecord(key, found.content), etag }
  }

  /** Makes an object of an upload of which no record speaks. Otherwise as `put`. */
  finish(assembly: Assembly, over: string | undefined): Promise<StoredObject> {
    const { key } = assembly.upload
    return this.#over(key, over, (condition) =>
      this.writes.complete(assembly, { condition, isOnlyOne: true }),
    )
  }

  /** Makes an object of what a record says. Where records follow each other in a chain, in which each is longer than the one
   *  before, none but this one says as many bytes.
   *  @throws StorageError OFFSET_INVALID, PATH_NOT_FOUND when something else stands there by now; what the SDK throws */
  seal(record: StoredAssembly): Promise<StoredObject> {
    const isOnlyOne = this.abilities.replaceOnly
    return this.writes.complete(record, { condition: { etag: record.etag }, isOnlyOne })
  }

  /** The object that a version names, or else the one that stands there; made first, if there are only its parts.
   *  @throws StorageError OFFSET_INVALID, PATH_NOT_FOUND; what the SDK throws */
  async objectOf(key: string, known: KnownBytes | undefined): Promise<StoredObject> {
    if (known === undefined) return this.#standingObject(key)
    if (known.kind === 'object') return known
    try {
      return await this.seal(await this.readRecord(key, known.etag))
    } catch (error) {
      return this.made(key, { of: known, instead: error })
    }
  }

  /** The object that was made of parts, by whoever read or moved them.
   *  @param instead of the record that is no longer there: thrown when there is no such object */
  async made(key: string, { of, instead }: { of: KnownBytes; instead: unknown }): Promise<StoredObject> {
    if (!isOther(instead) || !this.abilities.replaceOnly) throw instead
    const standing = await this.look(key)
    const isMade = standing?.kind === 'object' && standing.size === of.size && standing.mark === of.mark
    if (!isMade) throw instead
    return standing
  }

  async #standingObject(key: string): Promise<StoredObject> {
    for (let looks = 1; ; looks++) {
      const standing = await this.look(key)
      if (standing === undefined) throw new StorageError('PATH_NOT_FOUND', { path: key })
      if (standing.kind === 'object') return standing
      try {
        return await this.seal(await this.readRecord(key, standing.etag))
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
      const standing = await this.look(key)
      if (standing?.kind !== 'object' || standing.size > 0) throw error
      return write({ etag: standing.etag })
    }
  }
}

function other(path: string): StorageError {
  return new StorageError('OFFSET_INVALID', { path })
}
