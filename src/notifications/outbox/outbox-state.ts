import { SharedState } from '../../core/coordination/shared-state.ts'
import type { StorageDriver } from '../../core/storage-driver.ts'
import type { JournalPosition } from './journal-files.ts'
import { STATE } from './paths.ts'

/** A place in the log: all events before it are delivered, held or dead. */
export interface Position {
  readonly segment: number
  readonly index: number
}

export interface EndpointState extends Position {
  /** Why it is told nothing any more. */
  readonly off?: string | undefined
  /** A hash of the URL by which it was switched off: another URL switches it on again. */
  readonly offUrl?: string | undefined
}

/** What the processes that share an outbox know of it. */
export interface OutboxState {
  /** Of the present holder, or the last one. */
  readonly epoch: number
  /** Who delivers. */
  readonly holder?: string | undefined
  readonly beat: number
  /** The number of the segment that is written next. */
  readonly next: number
  /** How many events the log has had so far. */
  readonly written: number
  /** The oldest segment that is kept. */
  readonly first: number
  /** From which segment on each epoch has written the log: a holder that was replaced leaves files of its own only. */
  readonly epochs: readonly { readonly epoch: number; readonly from: number }[]
  /** For each journal the place up to which it is in the log. */
  readonly merged: Readonly<Record<string, JournalPosition>>
  readonly endpoints: Readonly<Record<string, EndpointState>>
}

export const NO_OUTBOX_YET: OutboxState = {
  ...{ epoch: 0, beat: 0, next: 0, written: 0, first: 0 },
  epochs: [],
  merged: {},
  endpoints: {},
}

export function outboxState(
  storage: Pick<StorageDriver, 'getState' | 'swapState'>,
): SharedState<OutboxState> {
  return new SharedState({ storage, path: STATE, parse })
}

/** Anything else than a state, or a part of one that is missing, is as if there were none. */
function parse(found: unknown): OutboxState {
  const state = { ...NO_OUTBOX_YET, ...Object(found) } as OutboxState & { nonce?: string }
  const { nonce: _, ...known } = state
  if (!Number.isSafeInteger(known.next) || !Number.isSafeInteger(known.epoch)) return NO_OUTBOX_YET
  return { ...known, merged: positionsOf(known.merged) }
}

/** Before journals grew on disks, the place was the number of the next file. */
function positionsOf(merged: Readonly<Record<string, JournalPosition | number>>): OutboxState['merged'] {
  const positions = Object.entries(merged).map(([mark, place]) => [
    mark,
    typeof place === 'number' ? { file: place, offset: 0 } : place,
  ])
  return Object.fromEntries(positions)
}

export function isBefore(one: Position, other: Position): boolean {
  return one.segment < other.segment || (one.segment === other.segment && one.index < other.index)
}
