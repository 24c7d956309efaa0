import type { StorageDriver } from '../../core/storage-driver.ts'
import type { EventLog } from './event-log.ts'
import type { OutboxState } from './outbox-state.ts'
import { LOG } from './paths.ts'
import type { OutboxTenure } from './tenure.ts'

/** How many segments are removed at once. */
const MAX_REMOVALS = 100

const LOOK_MS = 60_000

/** Removes segments of the log that all endpoints have behind them and that are old enough. */
export class LogRetention {
  readonly #storage: Pick<StorageDriver, 'scan' | 'delete'>
  readonly #eventLog: EventLog
  readonly #retentionMs: number
  #lookedAt = Number.NEGATIVE_INFINITY

  constructor({
    storage,
    eventLog,
    retentionMs,
  }: { storage: Pick<StorageDriver, 'scan' | 'delete'>; eventLog: EventLog; retentionMs: number }) {
    this.#storage = storage
    this.#eventLog = eventLog
    this.#retentionMs = retentionMs
  }

  async apply(tenure: OutboxTenure): Promise<void> {
    if (performance.now() - this.#lookedAt < Math.min(LOOK_MS, this.#retentionMs)) return
    this.#lookedAt = performance.now()
    const before = tenure.state
    const first = await this.#oldestKept(before)
    if (first === before.first) return
    await tenure.change((state) => ({ ...state, first, epochs: epochsFrom(first, state) }))
    for (let segment = before.first; segment < first; segment++) await this.#eventLog.remove(segment, before)
  }

  async #oldestKept(state: OutboxState): Promise<number> {
    const needed = Object.values(state.endpoints)
      .filter(({ off }) => off === undefined)
      .map(({ segment }) => segment)
    const limit = Math.min(state.next, state.first + MAX_REMOVALS, ...needed)
    let first = state.first
    for await (const page of this.#storage.scan(LOG)) {
      for (const { path, modifiedAt } of page) {
        const segment = Number(/\/(\d+)-\d+$/.exec(path)?.[1])
        // Left by a holder that was replaced, or that ended while it removed.
        if (segment < state.first) await this.#storage.delete(path, { durable: false })
        if (segment >= limit || Date.now() - modifiedAt.getTime() < this.#retentionMs) return first
        if (segment >= first) first = segment + 1
      }
    }
    return first
  }
}

/** Those that have written what is kept. */
function epochsFrom(first: number, { epochs }: OutboxState): OutboxState['epochs'] {
  return epochs.filter((_, index) => {
    const following = epochs[index + 1]
    return following === undefined || following.from > first
  })
}
