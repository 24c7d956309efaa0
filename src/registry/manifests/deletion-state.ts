import { randomUUID } from 'node:crypto'
import { type Digest, hexOf } from '../../core/digest.ts'
import type { Fence } from '../../core/storage-driver.ts'

/** The state of the deletions of a repository's manifests on storage. */
export interface DeletionState {
  /** Number of deletions that have ended, successful or not. */
  readonly count: number
  /** The process that is deleting at the moment, by a unique name. */
  readonly holder?: string | undefined
  /** Grows while the holder is alive. */
  readonly beat?: number | undefined
  /** For how long others have seen it not grow. It is noted here so that they may be killed as well. */
  readonly silentMs?: number | undefined
  /** The fence of a collector's removals. A process that takes over closes it first. */
  readonly fence?: Fence | undefined
  readonly condemned?: Condemned | undefined
}

/** Manifests that a collector means to remove. A push that needs one takes it off the list. */
export interface Condemned {
  /** The collector that has condemned them, by a unique name. */
  readonly by: string
  /** `condemnedName` of each. */
  readonly manifests: readonly string[]
}

export const NO_DELETION_YET: DeletionState = { count: 0 }

/** Enough of a digest's hex: another manifest that begins alike is spared as well. */
const NAME_LENGTH = 16

export function condemnedName(canonical: Digest): string {
  return hexOf(canonical).slice(0, NAME_LENGTH)
}

export function condemn(digests: readonly Digest[]): Condemned {
  return { by: randomUUID(), manifests: digests.map(condemnedName) }
}

/** The state without these on the list; undefined if none of them is on it. */
export function spare(state: DeletionState, digests: readonly Digest[]): DeletionState | undefined {
  const { condemned } = state
  if (condemned === undefined || digests.length === 0) return undefined
  const needed = new Set(digests.map(condemnedName))
  const manifests = condemned.manifests.filter((name) => !needed.has(name))
  if (manifests.length === condemned.manifests.length) return undefined
  return { ...state, condemned: { ...condemned, manifests } }
}

/** The state once a deletion has come to an end. */
export function ended({ count, condemned }: DeletionState): DeletionState {
  return { count: count + 1, ...(condemned && { condemned }) }
}

/** A malformed state has no holder, and a count that differs from all others. */
export function parseDeletionState(found: unknown): DeletionState {
  const { count, holder, beat, silentMs, fence, condemned } = Object(found) as DeletionState
  if (!Number.isSafeInteger(count)) return { count: Date.now() }
  const state = { count, holder, beat, silentMs, fence }
  const isList = typeof condemned?.by === 'string' && Array.isArray(condemned.manifests)
  return isList ? { ...state, condemned } : state
}
