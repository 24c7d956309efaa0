import { LRUCache } from 'lru-cache'
import type { Digest } from '../../core/digest.ts'
import type { Log } from '../../core/log.ts'
import type { RepositoryName, Tag } from '../../core/reference.ts'
import type { CacheStatus, Repository } from '../../core/registry.ts'
import type { Usage } from '../eviction/usage.ts'
import type { Flights } from '../flight/flights.ts'
import type { Upstream } from '../upstream/upstream.ts'

/** Shared by all mirrored repositories of a process. */
export interface MirrorContext {
  readonly flights: Flights
  readonly usage: Usage
  readonly memory: MirrorMemory
  /** True where nothing may be stored. */
  readonly readOnly: boolean
  readonly log: Log
}

/** Held by the services of a mirrored repository. */
export interface MirroredRepositoryContext extends MirrorContext {
  readonly name: RepositoryName
  readonly upstream: Upstream
  /** What is stored of it. */
  readonly stored: Repository
}

/** What the upstream said of a tag when it was asked last. */
export interface TagCheck {
  /** Undefined if it has no such tag. */
  readonly digest: Digest | undefined
  /** By `performance.now()`. */
  readonly checkedAt: number
}

const MAX_TAGS = 100_000
const MAX_SIZES = 200_000
const MAX_STATUSES = 10_000
const MAX_MANIFEST_BYTES = 32 * 1024 ** 2

/** What a process remembers of mirrored repositories: nothing that could not be asked again. Keys begin with
 *  the repository's name. */
export class MirrorMemory {
  readonly tags = new LRUCache<string, TagCheck>({ max: MAX_TAGS })
  /** Of blobs, as their manifests say. */
  readonly sizes = new LRUCache<string, number>({ max: MAX_SIZES })
  /** What the last answer was, if it was none from here alone. */
  readonly statuses = new LRUCache<string, CacheStatus & { readonly at: number }>({ max: MAX_STATUSES })
  /** Manifests that could not be stored. */
  readonly manifests = new LRUCache<string, UnstoredManifest>({
    maxSize: MAX_MANIFEST_BYTES,
    sizeCalculation: ({ payload }) => payload.length || 1,
    ttl: 300_000,
  })
  /** What the upstream did not have a moment ago, by `absenceKey`. */
  readonly absences = new LRUCache<string, true>({ max: MAX_TAGS })
}

export interface UnstoredManifest {
  readonly mediaType: string
  readonly payload: Uint8Array
}

export function memoryKey(repository: RepositoryName, reference: Tag | Digest): string {
  return `${repository}@${reference}`
}

/** The same digest may be that of a blob and of a manifest. */
export function absenceKey(kind: 'blob' | 'manifest', repository: RepositoryName, digest: Digest): string {
  return `${kind} ${memoryKey(repository, digest)}`
}
