import { randomUUID } from 'node:crypto'
import type { IncomingMessage } from 'node:http'
import type { ByteRange } from '../../core/storage-driver.ts'
import type { Content } from './content.ts'
import { CallFailed, isConditionFailed, isNotFound, mayBeDone } from './errors.ts'
import type { Call, JsonApi } from './json-api.ts'
import { BucketListing, type ListingOptions, type ListingPage } from './listing.ts'
import type { ObjectInfo, ObjectResource, ObjectState } from './object-info.ts'
import { type ObjectVersion, versionOf } from './version.ts'

export interface WriteOptions {
  /** The required generation; '0' if there must be none. Default: any. */
  readonly ifGeneration?: string | undefined
  readonly metadata?: Readonly<Record<string, string>>
}

export interface CopyOptions extends Pick<WriteOptions, 'ifGeneration'> {
  /** The source's required generation. */
  readonly ifSourceGeneration: string
}

/** A source of a composition, of one generation. */
export interface ObjectToCompose {
  readonly key: string
  readonly generation: string
}

/** Distribution's content type of blobs, used for all objects. */
const CONTENT_TYPE = 'application/octet-stream'

const FIELDS = 'name,size,generation,contentType,updated,metadata'
const STATE_FIELDS = 'generation,metageneration'
/** Metadata key of the last change of the metadata. */
const TOUCH_ID = 'entrepot-touch'
/** Metadata key of the id of a write. */
const WRITE_ID = 'entrepot-write'

/** Limit of objects in a composition. */
export const MAX_SOURCES = 32

/** The objects of one bucket. Every method throws `CallFailed`, and `StorageError` if the bucket itself is
 *  missing; so a 404 always concerns an object. Writes can be retried: each leaves an id in the object's
 *  metadata, which shows if an attempt without an answer has succeeded. */
export class Bucket {
  readonly #api: JsonApi
  readonly #objects: string
  readonly #listing: BucketListing

  constructor(api: JsonApi, name: string) {
    this.#api = api
    this.#objects = `/b/${encodeURIComponent(name)}/o`
    this.#listing = new BucketListing(api, { name, objects: this.#objects, fields: FIELDS })
  }

  /** Idle timeout of a connection. */
  get idleMs(): number {
    return this.#api.idleMs
  }

  /** The object's description. Undefined if it does not exist. */
  async find(key: string): Promise<ObjectInfo | undefined> {
    try {
      const call = { method: 'GET', path: this.#pathOf(key), query: { fields: FIELDS } } as const
      return await this.#ofObject(this.#api.json<ObjectResource>(call))
    } catch (cause) {
      if (isNotFound(cause)) return undefined
      throw cause
    }
  }

  /** The state of an object's bytes and metadata. Undefined if it does not exist. */
  async findState(key: string): Promise<ObjectState | undefined> {
    try {
      const call = { method: 'GET', path: this.#pathOf(key), query: { fields: STATE_FIELDS } } as const
      const { generation, metageneration } = await this.#ofObject(this.#api.json<ObjectResource>(call))
      if (generation !== undefined && metageneration !== undefined) return { key, generation, metageneration }
      throw new CallFailed('the response does not identify the state of the object')
    } catch (cause) {
      if (isNotFound(cause)) return undefined
      throw cause
    }
  }

  /** Removes an object if neither its bytes nor its metadata have changed.
   *  @returns false if they have; true also if it does not exist */
  async removeUnchanged({ key, generation, metageneration }: ObjectState): Promise<boolean> {
    const query = { ifGenerationMatch: generation, ifMetagenerationMatch: metageneration }
    try {
      await this.#ofObject(this.#api.json({ method: 'DELETE', path: this.#pathOf(key), query }))
      return true
    } catch (cause) {
      if (isNotFound(cause)) return true
      if (isConditionFailed(cause)) return false
      throw cause
    }
  }

  /** Changes an object's metadata, so that it has another metageneration. A missing object is no error.
   *  @see https://cloud.google.com/storage/docs/json_api/v1/objects/patch */
  async touch(key: string): Promise<void> {
    const body = [Buffer.from(JSON.stringify({ metadata: { [TOUCH_ID]: randomUUID() } }))]
    const headers = { 'Content-Type': 'application/json' }
    const query = { fields: STATE_FIELDS }
    try {
      await this.#ofObject(this.#api.json({ method: 'PATCH', path: this.#pathOf(key), query, headers, body }))
    } catch (cause) {
      if (!isNotFound(cause)) throw cause
    }
  }

  /** Opens an object for reading: its newest generation, or the given one. */
  open(
    key: string,
    {
      range,
      generation,
      signal,
    }: { range?: Partial<ByteRange>; generation?: string; signal?: AbortSignal } = {},
  ): Promise<IncomingMessage> {
    const { start = 0, end = '' } = range ?? {}
    return this.#ofObject(
      this.#api.open({
        method: 'GET',
        path: this.#pathOf(key),
        query: { alt: 'media', generation },
        headers: range === undefined ? {} : { Range: `bytes=${start}-${end}` },
        signal,
      }),
    )
  }

  /** A small object and its version. */
  get(key: string): Promise<{ content: Uint8Array; version: ObjectVersion }> {
    const call: Call = { method: 'GET', path: this.#pathOf(key), query: { alt: 'media' } }
    return this.#ofObject(
      this.#api.whole(call, ({ headers }, content) => {
        const generation = String(headers['x-goog-generation'])
        return { content, version: requireVersion({ generation, size: String(content.byteLength) }) }
      }),
    )
  }

  /** Uploads a whole object in one call.
   *  @see https://cloud.google.com/storage/docs/uploading-objects#uploading-an-object, "JSON API",
   *    multipart */
  insert(
    key: string,
    content: Content,
    { ifGeneration, metadata }: WriteOptions = {},
  ): Promise<ObjectVersion> {
    return this.#once(key, (id) => {
      const resource = {
        name: key,
        contentType: CONTENT_TYPE,
        md5Hash: content.md5,
        metadata: { ...metadata, [WRITE_ID]: id },
      }
      const boundary = id
      const head =
        `--${boundary}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n${JSON.stringify(resource)}\r\n` +
        `--${boundary}\r\nContent-Type: ${CONTENT_TYPE}\r\n\r\n`
      return this.#api.json<ObjectResource>({
        method: 'POST',
        path: this.#objects,
        isUpload: true,
        query: { uploadType: 'multipart', name: key, ifGenerationMatch: ifGeneration, fields: FIELDS },
        headers: { 'Content-Type': `multipart/related; boundary=${boundary}` },
        body: [Buffer.from(head), ...content.chunks, Buffer.from(`\r\n--${boundary}--\r\n`)],
      })
    })
  }

  /** Concatenates up to 32 objects to one.
   *  @see https://cloud.google.com/storage/docs/composite-objects */
  compose(
    key: string,
    sources: readonly ObjectToCompose[],
    { ifGeneration, metadata }: WriteOptions = {},
  ): Promise<ObjectVersion> {
    return this.#once(key, (id) =>
      this.#post(
        `${this.#pathOf(key)}/compose`,
        { ifGenerationMatch: ifGeneration, fields: FIELDS },
        {
          sourceObjects: sources.map(({ key: name, generation }) => ({ name, generation })),
          destination: { contentType: CONTENT_TYPE, metadata: { ...metadata, [WRITE_ID]: id } },
        },
      ),
    )
  }

  /** Copies an object within the storage, in as many calls as needed, each on the same conditions. The
   *  generation is a condition, because a bucket with versioning would also copy an old generation that is
   *  requested.
   *  @see https://cloud.google.com/storage/docs/json_api/v1/objects/rewrite */
  copy(from: string, to: string, { ifGeneration, ifSourceGeneration }: CopyOptions): Promise<ObjectVersion> {
    const path = `${this.#pathOf(from)}/rewriteTo${this.#pathOf(to)}`
    const conditions = { ifGenerationMatch: ifGeneration, ifSourceGenerationMatch: ifSourceGeneration }
    return this.#once(to, async (id) => {
      let rewriteToken: string | undefined
      for (;;) {
        const answer = await this.#post<RewriteAnswer>(
          path,
          { ...conditions, rewriteToken },
          { contentType: CONTENT_TYPE, metadata: { [WRITE_ID]: id } },
        )
        if (answer.done !== false) return answer.resource ?? {}
        rewriteToken = answer.rewriteToken
      }
    })
  }

  /** Removes an object. A missing object is no error; one of another generation stays, without an error. */
  async remove(key: string, { ifGeneration }: Pick<WriteOptions, 'ifGeneration'> = {}): Promise<void> {
    const query = { ifGenerationMatch: ifGeneration }
    try {
      await this.#ofObject(this.#api.json({ method: 'DELETE', path: this.#pathOf(key), query }))
    } catch (cause) {
      if (!isNotFound(cause) && !isConditionFailed(cause)) throw cause
    }
  }

  /** The objects below a prefix, in byte order of the names, page by page. */
  pages(options: ListingOptions): AsyncIterable<ListingPage> {
    return this.#listing.pages(options)
  }

  /** True if an object has the prefix. */
  hasAny(prefix: string): Promise<boolean> {
    return this.#listing.hasAny(prefix)
  }

  #post<T = ObjectResource>(
    path: string,
    query: Record<string, string | undefined>,
    body: unknown,
  ): Promise<Partial<T>> {
    return this.#api.json<T>({
      method: 'POST',
      path,
      query,
      headers: { 'Content-Type': 'application/json' },
      body: [Buffer.from(JSON.stringify(body))],
    })
  }

  /** Makes sure that a retried write succeeds once. If it may have succeeded without an answer, the id in the
   *  object's metadata tells. */
  async #once(key: string, write: (id: string) => Promise<ObjectInfo>): Promise<ObjectVersion> {
    const id = randomUUID()
    try {
      return requireVersion(await this.#ofObject(write(id)))
    } catch (cause) {
      if (!mayBeDone(cause)) throw cause
      const found = await this.find(key)
      if (found?.metadata?.[WRITE_ID] !== id) throw cause
      return requireVersion(found)
    }
  }

  /** Checks the bucket if a 404 may concern it instead of the object. */
  async #ofObject<T>(work: Promise<T>): Promise<T> {
    try {
      return await work
    } catch (cause) {
      if (isNotFound(cause) && !cause.message.startsWith('No such object')) await this.hasAny('')
      throw cause
    }
  }

  #pathOf(key: string): string {
    return `${this.#objects}/${encodeURIComponent(key)}`
  }
}

interface RewriteAnswer {
  readonly done: boolean
  readonly rewriteToken: string
  readonly resource: ObjectResource
}

/** The version in an object's description.
 *  @throws CallFailed if it is missing */
function requireVersion(info: ObjectInfo): ObjectVersion {
  const version = versionOf(info)
  if (version === undefined) throw new CallFailed('the response does not identify the object')
  return version
}
