/** The port to when content was pulled last, and how often. */
import type { Digest } from '../digest.ts'
import type { RepositoryName, Tag } from '../reference.ts'

/** The pulls of a manifest by one name. */
export interface PullFigures {
  /** To the hour, by the clock of the process that has served it. */
  readonly lastPulledAt: Date
  /** Since pulls are recorded. */
  readonly pulls: number
}

/** The pulls of a manifest by any name. */
export interface ManifestPulls extends PullFigures {
  readonly digest: Digest
  readonly tags: readonly (PullFigures & { readonly tag: Tag })[]
}

export interface RecordedPulls {
  /** Since when pulls have been recorded without a longer gap; undefined if none are. */
  recordedSince(): Promise<Date | undefined>
  /** The manifests of a repository that were pulled, in order of their digests. What was pulled within the last minutes may be missing. */
  of(repository: RepositoryName): Promise<readonly ManifestPulls[]>
}
