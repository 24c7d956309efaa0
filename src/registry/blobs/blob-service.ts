import { randomUUID } from 'node:crypto'
import { type Descriptor, OCTET_STREAM } from '../../core/descriptor.ts'
import type { ContentSource, StoredContent } from '../../core/descriptor-cache.ts'
import { CANONICAL, type Digest } from '../../core/digest.ts'
import { isPathNotFound, RegistryError } from '../../core/errors.ts'
import type {
  Blob,
  BlobService,
  BlobUpload,
  ChangeOptions,
  MountSource,
  Page,
  ResumeOptions,
  UploadOptions,
} from '../../core/registry.ts'
import type { ByteRange, Entry, RedirectedClient } from '../../core/storage-driver.ts'
import { catchFirst } from '../../lib/iterables/catch-first.ts'
import { mapInOrder } from '../../lib/map-in-order.ts'
import { settleAll } from '../../lib/settle-all.ts'
import type { RepositoryContext } from '../context.ts'
import { StoredUpload, type UploadPlace } from '../uploads/blob-upload.ts'
import { mayContinue, writeOwner, writeStartedAt } from '../uploads/upload-files.ts'
import { findUpload, type UploadStatus } from '../uploads/upload-status.ts'
import type { BlobPool } from './blob-pool.ts'
import { evictMissing, isOnStorage } from './on-storage.ts'

/** Uploads looked up concurrently during listing. */
const LOOK_UP_CONCURRENCY = 16

const UPLOAD_ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/

export class LinkedBlobs implements BlobService {
  readonly #context: RepositoryContext
  readonly #source: ContentSource
  readonly #evict: EvictMissing

  constructor(context: RepositoryContext) {
    const { name: repository, layers, pool } = context
    this.#context = context
    this.#evict = (missing) => evictMissing(context, this.#source, missing)
    this.#source = {
      repository,
      kind: 'blob',
      resolve: (digest) => layers.get(digest),
      async describe(canonical) {
        const size = await pool.size(canonical)
        return size === undefined ? undefined : { mediaType: OCTET_STREAM, size }
      },
    }
  }

  /** Undefined unless this repository has a link to it and the bytes exist. */
  find(digest: Digest): Promise<StoredContent | undefined> {
    return this.#context.cache.find(this.#source, digest)
  }

  getIfCached(digest: Digest): Blob | undefined {
    const found = this.#context.cache.getIfCached(this.#source, digest)
    return found && this.#opened(found)
  }

  async stat(digest: Digest): Promise<Descriptor> {
    return (await this.#require(digest)).descriptor
  }

  async has(digest: Digest): Promise<boolean> {
    return (await this.find(digest)) !== undefined
  }

  /** True if the blob is on storage; blobs stored by this process recently are not looked up. A missing one
   *  is evicted. */
  async isStored(digest: Digest): Promise<boolean> {
    const { name, recentPushes, collection } = this.#context
    return recentPushes.has(name, digest, collection?.mark) ? this.has(digest) : this.isOnStorage(digest)
  }

  /** True if the blob is on storage, without caches. */
  isOnStorage(digest: Digest): Promise<boolean> {
    const { layers } = this.#context
    return isOnStorage(this.#context, { source: this.#source, links: layers }, digest)
  }

  async open(digest: Digest): Promise<Blob> {
    const found = await this.#require(digest)
    const noted = this.#context.collection?.noteInterest(found.canonical)
    if (noted !== undefined) await this.#whenNoted(noted, digest)
    return this.#opened(found)
  }

  async createUpload({ algorithm = CANONICAL, owner, digestsOf }: UploadOptions = {}): Promise<BlobUpload> {
    const { storage, sessions } = this.#context
    const id = randomUUID()
    const place = this.#place(id)
    const { paths } = place
    const startedAt = await writeStartedAt(storage, paths)
    // Written after `startedat`, so that an upload cut short by a crash is found and purged. Until then only
    // its owner knows the id.
    if (owner !== undefined) await writeOwner(storage, { paths, owner })
    const status = {
      ...{ startedAt, lastWrittenAt: startedAt, size: 0, version: undefined, record: undefined },
      ...{ owner: { name: owner }, isOwn: true },
    }
    sessions.begin(id, [algorithm], digestsOf)
    sessions.remember(paths, status)
    return new StoredUpload({ id, status, source: 'storage' }, place)
  }

  /** Uses the remembered state, if there is one: later operations compare it with storage. */
  async resume(id: string, options: ResumeOptions = {}): Promise<BlobUpload> {
    const place = this.#place(id)
    const status = this.#context.sessions.recall(place.paths)
    if (status === undefined || !mayContinue(status.owner, options.owner)) return this.getUpload(id, options)
    return new StoredUpload({ id, status, source: 'memory' }, place)
  }

  async getUpload(id: string, { owner }: ResumeOptions = {}): Promise<BlobUpload> {
    const status = await this.#findUpload(id, { withOwner: owner !== undefined })
    if (status === undefined || !mayContinue(status.owner, owner))
      throw new RegistryError('BLOB_UPLOAD_UNKNOWN', { detail: { upload: id.slice(0, 64) } })
    return new StoredUpload({ id, status, source: 'storage' }, this.#place(id))
  }

  /** Every upload that can be resumed. */
  async *uploads(): AsyncIterable<BlobUpload> {
    const folders = this.#context.storage.list(this.#context.paths.uploads)
    const work = async ({ name: id }: Entry) => ({
      id,
      status: await this.#findUpload(id, { withOwner: false, withAge: true }),
    })
    for await (const { id, status } of mapInOrder(folders, { concurrency: LOOK_UP_CONCURRENCY, work })) {
      if (status !== undefined) yield new StoredUpload({ id, status, source: 'storage' }, this.#place(id))
    }
  }

  async mount(
    digest: Digest,
    from?: MountSource,
    { announce }: ChangeOptions<Descriptor> = {},
  ): Promise<Descriptor> {
    const blob = await this.#context.findBlob(digest, from)
    if (blob === undefined) throw new RegistryError('BLOB_UNKNOWN', { detail: { digest } })
    return this.#mount(blob, digest, announce)
  }

  /** Every link, by its name and the blob that it leads to. */
  links(): AsyncIterable<{ readonly name: Digest; readonly target: Digest }> {
    return this.#context.layers.entries()
  }

  /** Links a blob of the pool that the repository had before.
   *  @throws RegistryError BLOB_UNKNOWN if its bytes are gone */
  async relink(digest: Digest, canonical: Digest): Promise<void> {
    const size = await this.#context.pool.size(canonical)
    if (size === undefined) throw new RegistryError('BLOB_UNKNOWN', { detail: { digest } })
    await this.#mount({ canonical, descriptor: { mediaType: OCTET_STREAM, digest, size } }, digest)
  }

  async #mount(
    blob: StoredContent,
    digest: Digest,
    announce?: ChangeOptions<Descriptor>['announce'],
  ): Promise<Descriptor> {
    const { collection, cache } = this.#context
    await collection?.protect([blob.canonical])
    await announce?.(blob.descriptor)
    await cache.writeThrough(this.#source, digest, async () => {
      await this.#linkStored(blob, digest)
      return blob
    })
    return blob.descriptor
  }

  all(page?: Page): AsyncIterable<Digest> {
    return this.#context.layers.all(page)
  }

  async delete(digest: Digest, { announce }: ChangeOptions<Digest> = {}): Promise<void> {
    const { layers, cache } = this.#context
    const canonical = await layers.get(digest)
    if (canonical !== undefined) await announce?.(digest)
    // An interrupted delete may have removed it without telling the caches.
    await cache.evict(this.#source, canonical === undefined ? [digest] : await layers.remove(canonical))
    if (canonical === undefined) throw new RegistryError('BLOB_UNKNOWN', { detail: { digest } })
  }

  /** Links a blob and checks that it is on storage: the cache that had it may not know yet that it was removed.
   *  A collection must be asked after the link is durable. */
  async #linkStored({ canonical }: StoredContent, digest: Digest): Promise<void> {
    const { collection, layers, pool } = this.#context
    const look = async () => {
      if ((await pool.size(canonical)) !== undefined) return
      await this.#evict({ digest, canonical })
      throw new RegistryError('BLOB_UNKNOWN', { detail: { digest } })
    }
    const link = () => layers.add(canonical, digest)
    if (collection === undefined) return void (await settleAll([link(), look()]))
    await link()
    await collection.confirmBlob(canonical, { since: undefined, look })
  }

  /** Checks the blob again once the note is written: it may have been deleted before. */
  async #whenNoted(noted: Promise<void>, digest: Digest): Promise<void> {
    await noted
    if (!(await this.isOnStorage(digest))) throw new RegistryError('BLOB_UNKNOWN', { detail: { digest } })
  }

  #opened(found: StoredContent): Blob {
    return new PooledBlob(found, this.#context.pool, this.#evict)
  }

  async #require(digest: Digest): Promise<StoredContent> {
    const blob = await this.find(digest)
    if (blob === undefined) throw new RegistryError('BLOB_UNKNOWN', { detail: { digest } })
    return blob
  }

  async #findUpload(
    id: string,
    options: { withOwner: boolean; withAge?: boolean },
  ): Promise<UploadStatus | undefined> {
    if (!UPLOAD_ID.test(id)) return undefined
    return findUpload(this.#context.storage, { paths: this.#context.paths.upload(id), ...options })
  }

  #place(id: string): UploadPlace {
    return {
      repository: this.#context,
      paths: this.#context.paths.upload(id),
      writeThrough: async (digest, work) => {
        const mark = this.#context.collection?.mark
        const stored = await this.#context.cache.writeThrough(this.#source, digest, work)
        this.#context.recentPushes.add(this.#context.name, digest, mark)
        return stored
      },
    }
  }
}

type EvictMissing = (missing: { digest: Digest; canonical: Digest }) => Promise<void>

class PooledBlob implements Blob {
  readonly descriptor: Descriptor
  readonly #canonical: Digest
  readonly #pool: BlobPool
  readonly #evict: EvictMissing

  constructor({ descriptor, canonical }: StoredContent, pool: BlobPool, evict: EvictMissing) {
    this.descriptor = descriptor
    this.#canonical = canonical
    this.#pool = pool
    this.#evict = evict
  }

  get content(): Uint8Array | undefined {
    return this.#pool.getIfCached(this.#canonical)
  }

  read(options: { range?: ByteRange; signal?: AbortSignal } = {}): AsyncIterable<Uint8Array> {
    const { size } = this.descriptor
    if (size === 0) return nothing()
    const bytes = this.#pool.read({ canonical: this.#canonical, size }, options)
    return catchFirst(bytes, (error) => this.#missing(error))
  }

  /** @throws RegistryError BLOB_UNKNOWN if the bytes are missing; other errors as they are */
  async #missing(error: unknown): Promise<never> {
    const isMissing =
      isPathNotFound(error) || (error instanceof RegistryError && error.code === 'BLOB_UNKNOWN')
    if (!isMissing) throw error
    const { digest } = this.descriptor
    await this.#evict({ digest, canonical: this.#canonical })
    throw new RegistryError('BLOB_UNKNOWN', { detail: { digest } })
  }

  redirectUrl(client: RedirectedClient): Promise<URL | undefined> {
    return this.#pool.redirectUrl(this.#canonical, client)
  }
}

async function* nothing(): AsyncIterable<Uint8Array> {}
