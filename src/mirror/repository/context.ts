import { LRUCache } from 'lru-cache'
import type { Locks } from '../../core/coordination/locks.ts'
import type { Digest } from '../../core/digest.ts'
import type { Log } from '../../core/log.ts'
import type { RepositoryName, Tag } from '../../core/reference.ts'
import type { CacheStatus, Repository } from '../../core/registry.ts'
import { atMost } from '../../lib/at-most.ts'
import type { Usage } from '../eviction/usage.ts'
import type { Flights } from '../flight/flights.ts'
import type { Upstream } from '../upstream/upstream.ts'

/** Shared by all mirrored repositories of a process. */
export interface MirrorContext {
  readonly flights: Flights
  readonly usage: Usage
  readonly memory: MirrorMemory
  /** Those of all workers. Undefined if this process serves alone. */
  readonly locks?: Locks | undefined
  /** True if the registry is read-only. */
  readonly readOnly: boolean
  readonly log: Log
}

/** Held by the services of a mirrored repository. */
export interface MirroredRepositoryContext extends MirrorContext {
  readonly name: RepositoryName
  readonly upstream: Upstream
  /** Its cached content. */
  readonly stored: Repository
}

/** The upstream's latest answer about a tag. */
export interface TagCheck {
  /** Undefined if the upstream has no such tag. */
  readonly digest: Digest | undefined
  /** By `performance.now()`. */
  readonly checkedAt: number
}

const MAX_TAGS = 100_000
const MAX_SIZES = 200_000
const MAX_STATUSES = 10_000
const MAX_MANIFEST_BYTES = 32 * 1024 ** 2

/** What a process remembers of mirrored repositories. All of it can be asked of the upstream again. Keys start
 *  with the repository's name. Limited by size, because `max` allocates all places in advance. */
export class MirrorMemory {
  readonly tags = new LRUCache<string, TagCheck>(atMost(MAX_TAGS))
  /** Sizes of blobs in bytes, from their manifests. */
  readonly sizes = new LRUCache<string, number>(atMost(MAX_SIZES))
  /** How the last answer was found, unless it came from the cache alone. */
  readonly statuses = new LRUCache<string, CacheStatus & { readonly at: number }>(atMost(MAX_STATUSES))
  /** Manifests that could not be stored. */
  readonly manifests = new LRUCache<string, UnstoredManifest>({
    maxSize: MAX_MANIFEST_BYTES,
    sizeCalculation: ({ payload }) => payload.length || 1,
    ttl: 300_000,
  })
  /** Content that the upstream recently did not have, by `absenceKey`. */
  readonly absences = new LRUCache<string, true>(atMost(MAX_TAGS))
}

export interface UnstoredManifest {
  readonly mediaType: string
  readonly payload: Uint8Array
}

export function memoryKey(repository: RepositoryName, reference: Tag | Digest): string {
  return `${repository}@${reference}`
}

/** The kind is part of the key, because a blob and a manifest may have the same digest. */
export function absenceKey(kind: 'blob' | 'manifest', repository: RepositoryName, digest: Digest): string {
  return `${kind} ${memoryKey(repository, digest)}`
}
