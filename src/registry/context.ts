import type { DescriptorCache, StoredContent } from '../core/descriptor-cache.ts'
import type { Digest } from '../core/digest.ts'
import type { Log } from '../core/log.ts'
import type { ManifestPolicy } from '../core/manifest/policy.ts'
import type { RepositoryName } from '../core/reference.ts'
import type { MountSource } from '../core/registry.ts'
import type { StorageDriver } from '../core/storage-driver.ts'
import type { BlobPool } from './blobs/blob-pool.ts'
import type { RecentPushes } from './blobs/recent-pushes.ts'
import type { CollectionGuard } from './collection/collection-guard.ts'
import { LinkSet, type Links } from './links/links.ts'
import { Deletions, type DeletionsTiming } from './manifests/deletions.ts'
import { RepositoryPaths } from './paths.ts'
import type { Backfills } from './referrers/backfills.ts'
import type { FallbackMemory, ReferrerMemory } from './referrers/memory.ts'
import type { SmallFiles } from './referrers/overlay.ts'
import type { TagDigestCache } from './tags/tag-digest-cache.ts'
import type { UploadSessions } from './uploads/upload-sessions.ts'

/** The state that all repositories of a registry share. */
export interface RegistryContext {
  readonly storage: StorageDriver
  readonly pool: BlobPool
  readonly links: Links
  /** Entrepot's own files beside Distribution's layout. Kept in memory if the registry is read-only. */
  readonly own: SmallFiles
  readonly ownLinks: Links
  readonly sessions: UploadSessions
  readonly cache: DescriptorCache
  readonly recentPushes: RecentPushes
  /** Undefined if this registry does not support garbage collection: nothing may be collected while it
   *  serves. */
  readonly collection: CollectionGuard | undefined
  /** Timing of deletions and pushes. Default: that of `Deletions`. */
  readonly deletionsTiming: DeletionsTiming | undefined
  readonly tagDigests: TagDigestCache
  readonly policy: ManifestPolicy
  readonly backfills: Backfills
  readonly fallbackMemory: FallbackMemory
  readonly referrerMemory: ReferrerMemory
  /** True if nothing may be written. */
  readonly readOnly: boolean
  readonly log: Log
  /** Finds a blob in another repository: a named one, or any that may be searched. */
  readonly findBlob: (digest: Digest, from?: MountSource) => Promise<StoredContent | undefined>
}

/** The state that the services of one repository share. */
export interface RepositoryContext extends RegistryContext {
  readonly name: RepositoryName
  readonly paths: RepositoryPaths
  /** Links to the repository's blobs. */
  readonly layers: LinkSet
  /** Links to the repository's manifests. */
  readonly revisions: LinkSet
  readonly deletions: Deletions
}

export function repositoryContext(name: RepositoryName, registry: RegistryContext): RepositoryContext {
  const paths = new RepositoryPaths(name)
  return {
    ...registry,
    name,
    paths,
    layers: new LinkSet(paths.layers, { ...registry, hasTarSums: true }),
    revisions: new LinkSet(paths.revisions, registry),
    deletions: new Deletions({
      storage: registry.storage,
      path: paths.deletions,
      timing: registry.deletionsTiming,
    }),
  }
}
