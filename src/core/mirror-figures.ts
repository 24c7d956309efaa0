import type { RateLimit } from './upstream/upstream-registry.ts'

/** The figures of one upstream in a process, for metrics and for the list of mirrors. */
export interface MirrorFigures {
  /** Prefix of its repositories here; empty for all. */
  readonly prefix: string
  readonly host: string
  /** Answers with what was here. */
  hits: number
  /** Of them, those of which the upstream could not be asked whether they still hold. */
  staleHits: number
  /** Answers for which the upstream was asked for content. */
  misses: number
  /** Of blobs, from the upstream. */
  fetchedBytes: number
  /** Of blobs, to clients from what was here. */
  savedBytes: number
  /** Blobs that were fetched and could not be stored. */
  storeFailures: number
  /** Manifests that were removed because of their age, or to make room. */
  evictedManifests: number
  /** Bytes of content here, when it was last counted. */
  bytes: number
  readonly state: () => 'closed' | 'open' | 'half-open'
  readonly rateLimit: () => RateLimit | undefined
}

export function newMirrorFigures(
  fixed: Pick<MirrorFigures, 'prefix' | 'host' | 'state' | 'rateLimit'>,
): MirrorFigures {
  return {
    ...fixed,
    ...{ hits: 0, staleHits: 0, misses: 0, fetchedBytes: 0, savedBytes: 0 },
    ...{ storeFailures: 0, evictedManifests: 0, bytes: 0 },
  }
}
