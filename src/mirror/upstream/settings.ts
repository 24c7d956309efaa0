import type { RepositoryName } from '../../core/reference.ts'

/** The configuration of one upstream. Durations in milliseconds, sizes in bytes. */
export interface MirrorSettings {
  /** Prefix of its repositories' local names. Empty if the whole registry mirrors this upstream. */
  readonly prefix: RepositoryName | ''
  /** True for the upstream's repositories that are mirrored. */
  readonly admits: (repository: RepositoryName) => boolean
  /** Content that was not pulled for this long is evicted; 0: never. */
  readonly ttlMs: number
  /** Limit of the cached content; 0: none. */
  readonly maxBytes: number
  /** For how long a tag is answered without asking the upstream again. */
  readonly tagFreshMs: number
  /** For how long the upstream is not asked again for content that it does not have. */
  readonly negativeMs: number
  /** How long a client waits for the upstream if there is a cached copy of the tag. */
  readonly staleAfterMs: number
  /** Time limit for storing a blob after it was fetched; 0: none. */
  readonly storeTimeoutMs: number
  /** What happens to a cached tag that the upstream no longer has. */
  readonly whenDeleted: 'keep' | 'remove'
  /** The source of tag lists and of the catalog. */
  readonly lists: 'cached' | 'upstream'
}
