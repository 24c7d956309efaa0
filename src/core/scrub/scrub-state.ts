/** What the processes that share a storage know of a scrub: how far it is, and what it has found. */
import { SharedState } from '../coordination/shared-state.ts'
import type { Digest } from '../digest.ts'
import type { RepositoryName } from '../reference.ts'
import type { StorageDriver } from '../storage-driver.ts'

const SCRUB = '/docker/registry/v2/scrub'

/** Held by the process that scrubs. */
export const SCRUB_LOCK = `${SCRUB}/lock`

/** A copy on its way into the pool. Only the holder of the lock writes it. */
export const SCRUB_COPY = `${SCRUB}/copy`

const SCRUB_STATE = `${SCRUB}/state`

/** Something wrong with stored content. */
export interface ScrubFinding {
  /** Undefined for a blob of the pool, which all repositories share. */
  readonly repository?: RepositoryName | undefined
  /** A digest, or `tag` and the name of a tag. */
  readonly name: string
  readonly problem: string
  /** What was done about it: `set aside`, or `healed from` and where the copy was. Undefined for nothing. */
  readonly outcome?: string | undefined
}

export interface ScrubTotals {
  readonly blobs: number
  /** Of blobs that were read. */
  readonly bytes: number
  readonly repositories: number
  readonly manifests: number
  /** Blobs whose bytes did not have their digest. */
  readonly damagedBlobs: number
  /** Blobs, damaged or missing, that have the right bytes again. */
  readonly healedBlobs: number
  readonly findings: number
}

export const NOTHING_SCRUBBED: ScrubTotals = {
  ...{ blobs: 0, bytes: 0, repositories: 0, manifests: 0 },
  ...{ damagedBlobs: 0, healedBlobs: 0, findings: 0 },
}

/** How many findings a state keeps; the others are only counted. */
export const MAX_FINDINGS = 1_000

export interface ScrubState {
  /** Counts runs, from 1. */
  readonly run: number
  /** `blobs`: the pool is read. `links`: what repositories refer to is looked up. `done`: the run has ended. */
  readonly phase: 'blobs' | 'links' | 'done'
  /** The digest or the repository that was checked last in this phase; empty at its beginning. */
  readonly after: string
  /** RFC 3339. */
  readonly startedAt: string
  readonly totals: ScrubTotals
  readonly findings: readonly ScrubFinding[]
  /** Blobs whose files this run has changed; the last of them. They leave every cache. */
  readonly changed: readonly Digest[]
}

const PHASES: readonly unknown[] = ['blobs', 'links', 'done']

/** A malformed state reads as that of a run that has ended. */
export function scrubState(storage: Pick<StorageDriver, 'getState' | 'swapState'>): SharedState<ScrubState> {
  return new SharedState({ storage, path: SCRUB_STATE, parse })
}

function parse(found: unknown): ScrubState {
  const state = Object(found) as ScrubState
  const isWhole =
    Number.isSafeInteger(state.run) &&
    PHASES.includes(state.phase) &&
    typeof state.after === 'string' &&
    typeof state.startedAt === 'string' &&
    typeof state.totals === 'object' &&
    Array.isArray(state.findings) &&
    Array.isArray(state.changed)
  return isWhole ? state : { ...newScrub(0, new Date(0)), phase: 'done' }
}

export function newScrub(run: number, startedAt: Date): ScrubState {
  return {
    ...{ run, phase: 'blobs', after: '', startedAt: startedAt.toISOString() },
    ...{ totals: NOTHING_SCRUBBED, findings: [], changed: [] },
  }
}
