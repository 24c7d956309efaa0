import { LRUCache } from 'lru-cache'
import { isPathNotFound } from '../../core/errors.ts'
import type { StorageDriver } from '../../core/storage-driver.ts'
import type { RegistryEvent } from '../event.ts'
import { decodeLines, encodeLine } from './journal-record.ts'
import type { OutboxState } from './outbox-state.ts'
import { LOG, padded } from './paths.ts'

/** How many events a segment has at most. */
export const SEGMENT_EVENTS = 500

/** Several endpoints read the same segments at about the same time. */
const KEPT_SEGMENTS = 8

/** A part of the log. */
export interface Segment {
  /** How many events came before it. */
  readonly first: number
  readonly events: readonly RegistryEvent[]
}

/** The events of all processes in one order, in numbered segments that never change. */
export class EventLog {
  readonly #storage: Pick<StorageDriver, 'get' | 'put' | 'delete'>
  readonly #segments = new LRUCache<string, Segment>({ max: KEPT_SEGMENTS })

  constructor(storage: Pick<StorageDriver, 'get' | 'put' | 'delete'>) {
    this.#storage = storage
  }

  /** Writes a segment, which is part of the log once the state says so. Its name is of one epoch only: a holder that was replaced
   *  can't overwrite what its successor has written. */
  async write(number: number, { epoch }: { epoch: number }, { first, events }: Segment): Promise<void> {
    const lines = [{ first }, ...events].map(encodeLine)
    await this.#storage.put(pathOf(number, epoch), Buffer.from(lines.join('')))
  }

  /** Undefined if it is gone. */
  async read(number: number, state: Pick<OutboxState, 'epochs'>): Promise<Segment | undefined> {
    const path = pathOf(number, epochOf(number, state))
    const kept = this.#segments.get(path)
    if (kept !== undefined) return kept
    try {
      const [head, ...events] = decodeLines<object>(await this.#storage.get(path))
      const { first } = head as { first: number }
      const segment = { first, events: events as RegistryEvent[] }
      this.#segments.set(path, segment)
      return segment
    } catch (error) {
      if (isPathNotFound(error)) return undefined
      throw error
    }
  }

  async remove(number: number, state: Pick<OutboxState, 'epochs'>): Promise<void> {
    await this.#storage.delete(pathOf(number, epochOf(number, state)), { durable: false })
  }
}

function epochOf(number: number, { epochs }: Pick<OutboxState, 'epochs'>): number {
  return epochs.findLast(({ from }) => from <= number)?.epoch ?? 0
}

function pathOf(number: number, epoch: number): string {
  return `${LOG}/${padded(number)}-${epoch}`
}
