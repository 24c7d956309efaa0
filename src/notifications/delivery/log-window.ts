import type { RegistryEvent } from '../event.ts'
import type { EventLog } from '../outbox/event-log.ts'
import type { OutboxState, Position } from '../outbox/outbox-state.ts'

/** An event of the log. */
export interface LoggedEvent {
  readonly event: RegistryEvent
  readonly position: Position
}

export interface LogWindowParts {
  readonly eventLog: EventLog
  /** How far the log goes. */
  readonly state: () => OutboxState
  readonly start: Position
}

/** How many events of the log are in memory at once. */
const WINDOW = 1_000

/** The events of the log, from a position on, that are in memory until they are delivered, held or dead. */
export class LogWindow {
  readonly #parts: LogWindowParts
  /** In the order of the log. */
  readonly #pending = new Set<LoggedEvent>()
  #read: Position
  #unread = 0

  constructor(parts: LogWindowParts) {
    this.#parts = parts
    this.#read = parts.start
  }

  /** All events before it are delivered, held or dead. */
  get position(): Position {
    return this.oldest?.position ?? this.#read
  }

  get oldest(): LoggedEvent | undefined {
    const [first] = this.#pending
    return first
  }

  /** How many events are in memory. */
  get size(): number {
    return this.#pending.size
  }

  /** How many events wait, with those that were not read yet; these before filters. */
  get depth(): number {
    return this.#unread + this.#pending.size
  }

  /** False if it is full, or at the end of the log. */
  get canRead(): boolean {
    return this.#pending.size < WINDOW && this.#read.segment < this.#parts.state().next
  }

  get isHalfEmpty(): boolean {
    return this.#pending.size < WINDOW / 2
  }

  /** Reads on in one segment, until the window is full.
   *  @param take says which events are wanted, by `add`
   *  @param isStopped looked at before each event */
  async readOn(take: (logged: LoggedEvent) => Promise<void>, isStopped: () => boolean): Promise<void> {
    const { segment } = this.#read
    const state = this.#parts.state()
    const found = await this.#parts.eventLog.read(segment, state)
    const events = found?.events ?? []
    while (this.#read.index < events.length && this.#pending.size < WINDOW && !isStopped()) {
      const position = this.#read
      this.#read = { segment, index: position.index + 1 }
      await take({ event: events[position.index]!, position })
    }
    this.#unread = found === undefined ? 0 : state.written - found.first - this.#read.index
    if (this.#read.index >= events.length) this.#read = { segment: segment + 1, index: 0 }
  }

  add(logged: LoggedEvent): void {
    this.#pending.add(logged)
  }

  /** It is delivered, held or dead. */
  remove(logged: LoggedEvent): void {
    this.#pending.delete(logged)
  }
}
