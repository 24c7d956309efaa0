import type { RepositoryName } from '../../core/reference.ts'

/** What is configured of one upstream; durations in milliseconds, sizes in bytes. */
export interface MirrorSettings {
  /** What stands before the names of its repositories here; empty for a registry that mirrors this one
   *  alone. */
  readonly prefix: RepositoryName | ''
  /** Which of its repositories are mirrored. */
  readonly admits: (repository: RepositoryName) => boolean
  /** How long content stays that nobody asks for; 0 for ever. */
  readonly ttlMs: number
  /** How much content may stay; 0 for as much as comes. */
  readonly maxBytes: number
  /** How long an answer for a tag is good without asking again. */
  readonly tagFreshMs: number
  /** How long it is not asked again for what it has not. */
  readonly negativeMs: number
  /** How long a client waits for an answer about a tag of which there is a copy. */
  readonly staleAfterMs: number
  /** How long it may take until the bytes of a blob that was fetched are stored; 0 for as long as it
   *  takes. */
  readonly storeTimeoutMs: number
  /** What becomes of a tag here that the upstream has no longer. */
  readonly whenDeleted: 'keep' | 'remove'
  /** Which tags and repositories are listed. */
  readonly lists: 'cached' | 'upstream'
}
