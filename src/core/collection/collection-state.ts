/** What the processes that share a storage tell each other of garbage collection. Collectors and pushers go by it: see
 *  docs/garbage-collection.md. */
import { SharedState } from '../coordination/shared-state.ts'
import { type Digest, hexOf } from '../digest.ts'
import { RegistryError } from '../errors.ts'
import type { RepositoryName } from '../reference.ts'
import type { Fence, StorageDriver } from '../storage-driver.ts'

/** Where collections keep what they need; Distribution looks at none of it. */
export const COLLECTIONS = '/docker/registry/v2/gc'

/** How old a state may be that a push of a blob goes by. Between writing the lists and looking for new links a collector waits for
 *  twice as long. */
export const TRUSTED_MS = 5_000

/** Without a beat for so long a collector counts as gone, in milliseconds. */
export const LEASE_MS = 60_000

/** 0: one list, 1: 16, 2: 256. */
export type ListDigits = 0 | 1 | 2

export interface CollectionState {
  /** Grows with every collection, also with one that takes the place of another. */
  readonly epoch: number
  /** `mark`: finding out what is garbage. `condemned`: the lists of it are written, and nothing is being deleted. `sealed`: a batch of
   *  it is being deleted. */
  readonly phase: 'idle' | 'mark' | 'condemned' | 'sealed'
  /** How many batches of blobs came to their end, and removals of manifests from a repository. What was known before may be wrong once
   *  it has grown. */
  readonly deletions: number
  /** Who is collecting, by a name that nobody else has. */
  readonly holder?: string
  /** Grows while the holder is alive. */
  readonly beat?: number
  /** From `condemned` on: a bit for each list, in hex; the first list is the highest bit. */
  readonly lists?: string
  /** How many hex digits of a digest name its list: as few as the lists allow. */
  readonly listDigits?: ListDigits
  /** The repository from which untagged manifests may be removed at the moment. A push to it asks the repository's deletions for what
   *  it needs. */
  readonly removing?: RepositoryName
  /** How many files name manifests that were removed, or are being. */
  readonly removals?: number
  /** While `sealed`: what the batch is deleted by. */
  readonly fence?: Fence
  /** While `sealed`: the hex of the first and the last digest, both included. */
  readonly batch?: { readonly first: string; readonly last: string }
}

export const NO_COLLECTION_YET: CollectionState = { epoch: 0, phase: 'idle', deletions: 0 }

const DIGITS: readonly unknown[] = [0, 1, 2]

const PHASES: readonly unknown[] = ['idle', 'mark', 'condemned', 'sealed']

/** @throws RegistryError UNAVAILABLE, when it is read, for what is no such state: nobody can say then what is being deleted */
export function collectionState(
  storage: Pick<StorageDriver, 'getState' | 'swapState'>,
): SharedState<CollectionState> {
  return new SharedState({ storage, path: `${COLLECTIONS}/state`, parse })
}

function parse(found: unknown): CollectionState {
  const state = Object(found) as CollectionState
  const { epoch, phase, deletions, batch, fence, lists } = state
  const isWhole =
    Number.isSafeInteger(epoch) &&
    Number.isSafeInteger(deletions) &&
    PHASES.includes(phase) &&
    (phase !== 'sealed' || (typeof batch?.first === 'string' && typeof fence === 'string')) &&
    (phase === 'idle' || phase === 'mark' || typeof lists === 'string') &&
    (lists === undefined || DIGITS.includes(state.listDigits))
  if (isWhole) return state
  throw new RegistryError('UNAVAILABLE', { message: `${COLLECTIONS}/state is damaged` })
}

/** The state once no manifests are removed from the repository any more. */
export function withoutRemoval({ removing, ...state }: CollectionState): CollectionState {
  return removing === undefined ? state : { ...state, deletions: state.deletions + 1 }
}

/** The state after a collection. Its lists stay until the next one: other processes evict what they name. */
export function ended({ epoch, deletions, lists, listDigits, removals }: CollectionState): CollectionState {
  return {
    ...{ epoch, phase: 'idle', deletions },
    ...(lists !== undefined && listDigits !== undefined && { lists, listDigits }),
    ...(removals !== undefined && { removals }),
  }
}

/** The state after a batch whose collector is gone. */
export function abandoned(state: CollectionState): CollectionState {
  return ended({ ...state, deletions: state.deletions + 1 })
}

/** True while the digest may be deleted at any moment. */
export function isBeingDeleted({ phase, batch }: CollectionState, digest: Digest): boolean {
  const hex = hexOf(digest)
  return phase === 'sealed' && batch !== undefined && batch.first <= hex && hex <= batch.last
}
