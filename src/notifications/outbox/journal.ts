import type { Log } from '../../core/log.ts'
import type { StorageDriver } from '../../core/storage-driver.ts'
import type { RegistryEvent } from '../event.ts'
import { encodeLine, type JournalRecord, momentNow } from './journal-record.ts'
import { JournalWriter } from './journal-writer.ts'
import type { AnnouncedChange, Outbox } from './outbox.ts'

export interface JournalTiming {
  /** How long a process may write nothing while a change of its is under way, before others take it for dead. */
  readonly leaseMs: number
  /** How often it writes at least, meanwhile. */
  readonly beatMs: number
  /** How long what came of changes waits for others, to be written with them. */
  readonly gatherMs: number
}

export const JOURNAL_TIMING: JournalTiming = { leaseMs: 20_000, beatMs: 4_000, gatherMs: 25 }

export interface JournalParts {
  readonly storage: Pick<StorageDriver, 'put' | 'createGrowing'>
  readonly log: Log
  /** `accept`: a change happens although it can't be announced. */
  readonly onFailure: 'refuse' | 'accept'
  readonly timing?: JournalTiming
  /** Called when there is something to deliver. */
  readonly onEnded?: () => void
}

/** How many events of changes that could not be announced are kept in memory, where that is accepted. */
const MAX_UNWRITTEN = 10_000

const RETRY_MS = 1_000

/** A process that has written nothing for so long begins a new journal: the old one may be about to be removed. */
export const JOURNAL_REUSE_MS = 1_800_000

/** What one process announces. What is announced while a batch is being written goes with the next one, so that many changes share a
 *  write. A batch is durable if it announces something; what came of changes need not be, because whoever finds no outcome looks at
 *  storage. */
export class Journal implements Outbox {
  readonly #parts: JournalParts
  readonly #timing: JournalTiming
  #writer: JournalWriter
  /** Those that are not used any more, and still open. */
  readonly #left: JournalWriter[] = []
  #lines: string[] = []
  #waiting: PromiseWithResolvers<void>[] = []
  #writing: Promise<void> | undefined
  #timer: NodeJS.Timeout | undefined
  #aliveAt = performance.now()
  /** When the last batch was written; before the first, when the journal began. */
  #writtenAt = this.#aliveAt
  /** Changes under way that were announced in the present journal. */
  #open = 0
  #isFailing = false
  #isClosed = false
  unwritten = 0

  constructor(parts: JournalParts) {
    this.#parts = parts
    this.#timing = parts.timing ?? JOURNAL_TIMING
    this.#writer = new JournalWriter(parts.storage)
  }

  announce(event: RegistryEvent): AnnouncedChange {
    this.#leaveOld()
    const writer = this.#writer
    const moment = momentNow()
    // Nothing that was under way before can be judged.
    if (this.#open++ === 0) this.#aliveAt = performance.now()
    let isAnnounced = true
    const durable = this.#append({ intent: event, moment }).catch((error) => {
      isAnnounced = false
      if (this.#parts.onFailure === 'refuse') throw error
    })
    durable.catch(() => undefined)
    return {
      durable,
      end: async (outcome) => {
        if (writer === this.#writer) this.#open--
        if (outcome === 'happened' && !isAnnounced) return this.#keep({ happened: event, moment })
        // Taken for dead meanwhile, it may have been judged before its change was visible.
        if (outcome === 'happened' && (writer !== this.#writer || !this.#isAlive)) {
          if (writer === this.#writer) this.#beginAnew()
          return this.#append({ happened: event, moment })
        }
        this.#note({ ended: event.id, outcome })
      },
    }
  }

  /** Writes what is left. */
  async close(): Promise<void> {
    this.#isClosed = true
    clearTimeout(this.#timer)
    await this.#writing
    if (this.#lines.length > 0) await this.#write()
    for (const writer of [...this.#left.splice(0), this.#writer]) await writer.close()
  }

  get #isAlive(): boolean {
    return performance.now() - this.#aliveAt <= this.#timing.leaseMs / 2
  }

  #beginAnew(): void {
    this.#left.push(this.#writer)
    this.#writer = new JournalWriter(this.#parts.storage)
    this.#open = 0
    this.#aliveAt = performance.now()
    this.#writtenAt = this.#aliveAt
  }

  #leaveOld(): void {
    if (performance.now() - this.#writtenAt > JOURNAL_REUSE_MS) this.#beginAnew()
  }

  /** Resolves once the record is durable. */
  #append(record: JournalRecord): Promise<void> {
    const waiting = Promise.withResolvers<void>()
    this.#lines.push(encodeLine(record))
    this.#waiting.push(waiting)
    this.#writing ??= this.#writeAll()
    return waiting.promise
  }

  /** The record is written soon. */
  #note(record: JournalRecord): void {
    this.#lines.push(encodeLine(record))
    this.#writeIn(this.#timing.gatherMs)
  }

  /** Of a change that could not be announced, the event is in memory until it can be written. */
  #keep(record: JournalRecord): void {
    if (this.#lines.length < MAX_UNWRITTEN) this.#lines.push(encodeLine(record))
    else this.unwritten++
    this.#writeIn(RETRY_MS)
  }

  #writeIn(ms: number): void {
    if (this.#writing !== undefined || this.#isClosed) return
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      this.#writing ??= this.#writeAll()
    }, ms).unref()
  }

  /** Batch after batch, as long as somebody waits for one. */
  async #writeAll(): Promise<void> {
    clearTimeout(this.#timer)
    do await this.#write()
    while (this.#waiting.length > 0)
    this.#writing = undefined
    if (this.#lines.length > 0) this.#writeIn(this.#isFailing ? RETRY_MS : this.#timing.gatherMs)
    else if (this.#open > 0) this.#writeIn(this.#timing.beatMs)
  }

  /** Never rejected. */
  async #write(): Promise<void> {
    this.#leaveOld()
    if (this.#open > 0 && !this.#isAlive) this.#beginAnew()
    for (const writer of this.#left.splice(0)) await writer.close()
    const [lines, waiting] = [this.#lines, this.#waiting]
    this.#lines = []
    this.#waiting = []
    const beganAt = performance.now()
    try {
      await this.#writer.write(lines, { durable: waiting.length > 0 })
      this.#aliveAt = Math.max(this.#aliveAt, beganAt)
      this.#writtenAt = beganAt
      this.#isFailing = false
      for (const { resolve } of waiting) resolve()
      this.#parts.onEnded?.()
    } catch (error) {
      this.#report(error)
      for (const { reject } of waiting) reject(error)
      this.#lines = [...lines.filter(isOutcome), ...this.#lines]
    }
  }

  #report(err: unknown): void {
    if (!this.#isFailing) this.#parts.log.error({ err }, 'the outbox of notifications cannot be written')
    this.#isFailing = true
  }
}

/** An announcement that could not be written has been answered for. */
function isOutcome(line: string): boolean {
  return !line.startsWith('{"intent"')
}
