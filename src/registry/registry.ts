import { type DescriptorCache, NO_CACHE, type StoredBlob } from '../core/descriptor-cache.ts'
import { algorithmOf, CANONICAL, type Digest } from '../core/digest.ts'
import type { Log } from '../core/log.ts'
import type { ManifestPolicy } from '../core/manifest/policy.ts'
import type { RepositoryName } from '../core/reference.ts'
import type { BlobUpload, Page, Registry, Repository } from '../core/registry.ts'
import type { StorageDriver } from '../core/storage-driver.ts'
import { BlobPool } from './blob-pool.ts'
import { REPOSITORY_MARKS, repositoryNames } from './catalog.ts'
import { FallbackMemory } from './fallback-tag.ts'
import { Links } from './links.ts'
import { Overlay } from './overlay.ts'
import { Backfills } from './referrer-backfill.ts'
import { ReferrerMemory } from './referrer-memory.ts'
import { type SharedParts, StoredRepository } from './repository.ts'
import { Storage } from './storage.ts'
import { UploadSessions } from './upload-sessions.ts'

export interface RegistryOptions {
  /** Closed together with the registry. */
  driver: StorageDriver
  policy: ManifestPolicy
  /** Default: none. */
  cache?: DescriptorCache
  /** True where nothing may be written. Default: false. */
  readOnly?: boolean
  log: Log
}

/** The registry over a storage driver, in Distribution's layout. */
export class StoredRegistry implements Registry {
  readonly #shared: SharedParts

  constructor({ driver, policy, cache = NO_CACHE, readOnly = false, log }: RegistryOptions) {
    const storage = new Storage(driver)
    const own = readOnly ? new Overlay(storage) : storage
    this.#shared = {
      storage,
      pool: new BlobPool(storage),
      links: new Links(storage, log),
      own,
      ownLinks: new Links(own, log),
      sessions: new UploadSessions(),
      cache,
      policy,
      backfills: new Backfills(),
      fallbackMemory: new FallbackMemory(),
      referrerMemory: new ReferrerMemory(),
      readOnly,
      log,
      findElsewhere: (digest, from) => this.#findBlob(digest, from),
    }
  }

  repository(name: RepositoryName): Repository {
    return this.#repository(name)
  }

  repositories({ after }: Page = {}): AsyncIterable<RepositoryName> {
    return repositoryNames(this.#shared.storage, { after, kept: REPOSITORY_MARKS })
  }

  async *uploads(): AsyncIterable<BlobUpload> {
    for await (const name of repositoryNames(this.#shared.storage, { kept: ['_uploads'] })) {
      yield* this.#repository(name).blobs.uploads()
    }
  }

  async close(): Promise<void> {
    await this.#shared.backfills.close()
    await this.#shared.storage.close()
  }

  #repository(name: RepositoryName): StoredRepository {
    return new StoredRepository(name, this.#shared)
  }

  async #findBlob(digest: Digest, from: RepositoryName | undefined): Promise<StoredBlob | undefined> {
    if (from !== undefined) return this.#repository(from).blobs.find(digest)
    if (algorithmOf(digest) === CANONICAL && (await this.#shared.pool.size(digest)) === undefined)
      return undefined
    for await (const name of this.repositories()) {
      const blob = await this.#repository(name).blobs.find(digest)
      if (blob !== undefined) return blob
    }
    return undefined
  }
}
