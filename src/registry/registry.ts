import { LRUCache } from 'lru-cache'
import type { Collectable } from '../core/collection/collectable.ts'
import type { Locks } from '../core/coordination/locks.ts'
import { type DescriptorCache, NO_CACHE, type StoredContent } from '../core/descriptor-cache.ts'
import type { Digest } from '../core/digest.ts'
import { StorageError } from '../core/errors.ts'
import type { Log } from '../core/log.ts'
import type { ManifestPolicy } from '../core/manifest/policy.ts'
import type { RepositoryName } from '../core/reference.ts'
import type {
  BlobUpload,
  IncompleteBlobUpload,
  MountSource,
  Page,
  Registry,
  Repository,
} from '../core/registry.ts'
import type { StorageDriver } from '../core/storage-driver.ts'
import type { Ingest } from '../lib/ingest/ingest.ts'
import { settleAll } from '../lib/settle-all.ts'
import type { SharedMemory } from '../lib/shared-memory/shared-memory.ts'
import { BlobPool } from './blobs/blob-pool.ts'
import { ContentCache } from './blobs/content-cache.ts'
import { MountSearch } from './blobs/mount-search.ts'
import { RecentPushes } from './blobs/recent-pushes.ts'
import { REPOSITORY_MARKS, repositoryNames } from './catalog/catalog.ts'
import { CollectableContent } from './collection/collectable-content.ts'
import { CollectionGuard, type GuardTiming } from './collection/collection-guard.ts'
import { RestoringDriver } from './collection/restoring-driver.ts'
import type { RegistryContext } from './context.ts'
import { ErrorMappingDriver } from './error-mapping-driver.ts'
import { Links } from './links/links.ts'
import type { DeletionsTiming } from './manifests/deletions.ts'
import { REPOSITORIES, STORAGE_CLOCK, uploadAt } from './paths.ts'
import { Backfills } from './referrers/backfills.ts'
import { FallbackMemory, ReferrerMemory } from './referrers/memory.ts'
import { Overlay } from './referrers/overlay.ts'
import { StoredRepository } from './repository.ts'
import { TagDigestCache } from './tags/tag-digest-cache.ts'
import { ProcessLocks } from './uploads/process-locks.ts'
import { UploadSessions } from './uploads/upload-sessions.ts'

export interface RegistryOptions {
  /** Closed with the registry. */
  driver: StorageDriver
  policy: ManifestPolicy
  /** Closed with the registry. Default: none. */
  cache?: DescriptorCache
  /** True if nothing may be written. Default: false. */
  readOnly?: boolean
  /** Memory for manifests and small blobs, in bytes. Default: none. */
  smallContentBytes?: number
  /** Locks of uploads. Default: locks within this process. */
  locks?: Locks
  /** Computes the digests of large uploads. Closed with the registry. Default: they are computed in this thread */
  ingest?: Ingest | undefined
  /** Evicts a collected blob from a cache of this process alone, which the collector can't reach. Default: no
   *  such cache. */
  evictCollected?: (digest: Digest) => Promise<void>
  /** Waits of deletions and pushes for each other. Default: the timing of `Deletions`. */
  deletions?: DeletionsTiming | undefined
  /** Enables garbage collection, optionally with its timing. Default: disabled. */
  collection?: boolean | GuardTiming
  /** True if collected blobs are also looked for in quarantine, and put back. Default: false. */
  coexist?: boolean
  log: Log
}

const MAX_KEPT_REPOSITORIES = 1_000

const MAX_TAG_DIGESTS = 10_000

/** The registry over a storage driver, in Distribution's layout. */
export class StoredRegistry implements Registry {
  readonly #context: RegistryContext
  readonly #ingest: Ingest | undefined
  /** The storage as it is, also if the context's puts blobs back. */
  readonly #storage: StorageDriver
  /** Only avoids creating them anew: they hold no state that must be shared. */
  readonly #repositories = new LRUCache<RepositoryName, StoredRepository>({ max: MAX_KEPT_REPOSITORIES })
  readonly #mountSearch = new MountSearch({
    // Copied, because searching a repository changes the order.
    recent: () => [...this.#repositories.keys()],
    all: () => this.repositories(),
    find: (name, digest) => this.#repository(name).blobs.find(digest),
  })

  constructor({
    driver,
    policy,
    cache = NO_CACHE,
    readOnly = false,
    smallContentBytes = 0,
    locks = new ProcessLocks(),
    ingest,
    collection = false,
    coexist = false,
    evictCollected,
    deletions,
    log,
  }: RegistryOptions) {
    this.#ingest = ingest
    this.#storage = new ErrorMappingDriver(driver)
    const storage = coexist ? new RestoringDriver(this.#storage, { isReadOnly: readOnly }) : this.#storage
    const own = readOnly ? new Overlay(storage) : storage
    this.#context = {
      storage,
      pool: new BlobPool({ storage, small: new ContentCache({ maxBytes: smallContentBytes }), log }),
      links: new Links(storage, log),
      own,
      ownLinks: new Links(own, log),
      sessions: new UploadSessions(locks, ingest),
      cache,
      recentPushes: new RecentPushes(),
      collection: guardOf(storage, collection),
      deletionsTiming: deletions,
      tagDigests: new TagDigestCache({ maxEntries: cache === NO_CACHE ? 0 : MAX_TAG_DIGESTS }),
      policy,
      backfills: new Backfills(),
      fallbackMemory: new FallbackMemory(),
      referrerMemory: new ReferrerMemory(),
      readOnly,
      log,
      findBlob: (digest, from) => this.#findBlob(digest, from),
    }
    if (evictCollected !== undefined) {
      this.#context.collection?.watch(async (digest) => {
        this.#context.pool.forget(digest)
        await evictCollected(digest)
      })
    }
  }

  /** The content as a garbage collector sees it, without caches. */
  get collectable(): Collectable {
    const { pool, cache, deletionsTiming: timing } = this.#context
    const storage = this.#storage
    const evict = async (digests: readonly Digest[]) => {
      for (const digest of digests) pool.forget(digest)
      for (const digest of digests) await cache.evictContent(digest)
    }
    const evictManifest = (repository: RepositoryName, names: readonly Digest[]) =>
      cache.evict({ repository, kind: 'manifest' }, names)
    return new CollectableContent({ storage, evict, evictManifest, timing })
  }

  repository(name: RepositoryName): Repository {
    return this.#repository(name)
  }

  /** The blobs of a repository, whichever names they have there. */
  blobLinks(name: RepositoryName): AsyncIterable<{ readonly name: Digest; readonly target: Digest }> {
    return this.#repository(name).blobs.links()
  }

  /** Gives a repository a blob again that it had before, by the same name.
   *  @throws RegistryError BLOB_UNKNOWN if its bytes are gone */
  relinkBlob(repository: RepositoryName, { name, target }: { name: Digest; target: Digest }): Promise<void> {
    return this.#repository(repository).blobs.relink(name, target)
  }

  repositories({ after }: Page = {}): AsyncIterable<RepositoryName> {
    return repositoryNames(this.#context.storage, { after, kept: REPOSITORY_MARKS })
  }

  async *uploads(): AsyncIterable<BlobUpload> {
    for await (const name of repositoryNames(this.#context.storage, { kept: ['_uploads'] })) {
      yield* this.#repository(name).blobs.uploads()
    }
  }

  async *incompleteUploads(): AsyncIterable<IncompleteBlobUpload> {
    for await (const incomplete of this.#context.storage.incompleteUploads()) {
      const { path, modifiedAt } = incomplete
      yield { path, modifiedAt, upload: uploadAt(path), remove: () => incomplete.remove() }
    }
  }

  async storageTime(): Promise<Date> {
    const { storage } = this.#context
    await storage.put(STORAGE_CLOCK, Buffer.alloc(0), { durable: false })
    const written = await storage.stat(STORAGE_CLOCK)
    if (written.kind === 'file') return written.modifiedAt
    throw new StorageError('BACKEND_FAILED', { path: STORAGE_CLOCK, message: 'is no file' })
  }

  /** For what keeps files of its own beside the layout. Errors are those of the registry. */
  get storage(): StorageDriver {
    return this.#context.storage
  }

  /** Memory in which the bytes of large uploads should be; undefined for any. */
  get uploadMemory(): SharedMemory | undefined {
    return this.#ingest?.memory
  }

  /** The storage driver's name, such as `filesystem`. */
  get storageName(): string {
    return this.#context.storage.name
  }

  /** A health check: sends a request to storage and ignores the content.
   *  @throws StorageError, RegistryError if storage does not answer */
  async checkStorage(): Promise<void> {
    try {
      await this.#context.storage.stat(REPOSITORIES)
    } catch (error) {
      if (!(error instanceof StorageError) || error.code !== 'PATH_NOT_FOUND') throw error
    }
  }

  async close(): Promise<void> {
    await this.#context.collection?.close()
    await this.#context.backfills.close()
    await this.#ingest?.close()
    await settleAll([this.#context.cache.close(), this.#context.storage.close()])
  }

  #repository(name: RepositoryName): StoredRepository {
    const kept = this.#repositories.get(name)
    if (kept !== undefined) return kept
    const repository = new StoredRepository(name, this.#context)
    this.#repositories.set(name, repository)
    return repository
  }

  async #findBlob(digest: Digest, from: MountSource = () => true): Promise<StoredContent | undefined> {
    if (typeof from === 'string') return this.#repository(from).blobs.find(digest)
    return this.#mountSearch.find(digest, from)
  }
}

function guardOf(storage: StorageDriver, collection: boolean | GuardTiming): CollectionGuard | undefined {
  if (collection === false) return undefined
  return collection === true ? new CollectionGuard(storage) : new CollectionGuard(storage, collection)
}
