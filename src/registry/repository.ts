import type { DescriptorCache } from '../core/descriptor-cache.ts'
import type { Log } from '../core/log.ts'
import type { ManifestPolicy } from '../core/manifest/policy.ts'
import type { RepositoryName } from '../core/reference.ts'
import type { Repository } from '../core/registry.ts'
import type { StorageDriver } from '../core/storage-driver.ts'
import type { BlobPool } from './blob-pool.ts'
import { type BlobServiceParts, LinkedBlobs } from './blob-service.ts'
import { REPOSITORY_MARKS } from './catalog.ts'
import { LinkSet, type Links } from './links.ts'
import { LinkedManifests } from './manifest-service.ts'
import { RepositoryPaths } from './paths.ts'
import { LinkedSignatures } from './signature-service.ts'
import type { TagNames } from './tag-names.ts'
import { LinkedTags } from './tag-service.ts'
import type { UploadSessions } from './upload-sessions.ts'

/** What all repositories of a registry share. */
export interface SharedParts {
  readonly storage: StorageDriver
  readonly pool: BlobPool
  readonly links: Links
  readonly sessions: UploadSessions
  readonly cache: DescriptorCache
  readonly tagNames: TagNames
  readonly policy: ManifestPolicy
  readonly log: Log
  readonly findElsewhere: BlobServiceParts['findElsewhere']
}

export class StoredRepository implements Repository {
  readonly name: RepositoryName
  readonly blobs: LinkedBlobs
  readonly manifests: LinkedManifests
  readonly tags: LinkedTags
  readonly signatures: LinkedSignatures
  readonly #storage: StorageDriver
  readonly #root: string

  constructor(name: RepositoryName, shared: SharedParts) {
    const paths = new RepositoryPaths(name)
    const layers = new LinkSet(paths.layers, shared)
    const revisions = new LinkSet(paths.revisions, shared)
    this.name = name
    this.tags = new LinkedTags({ ...shared, repository: name, paths, revisions, names: shared.tagNames })
    this.signatures = new LinkedSignatures({ ...shared, paths, revisions })
    this.blobs = new LinkedBlobs({ ...shared, repository: name, paths, layers })
    this.manifests = new LinkedManifests({
      ...shared,
      repository: name,
      blobs: this.blobs,
      revisions,
      tags: this.tags,
      signatures: this.signatures,
    })
    this.#storage = shared.storage
    this.#root = paths.root
  }

  async exists(): Promise<boolean> {
    for await (const { name } of this.#storage.list(this.#root, { atOnce: true })) {
      if (REPOSITORY_MARKS.some((mark) => mark === name)) return true
    }
    return false
  }
}
