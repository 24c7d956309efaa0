import type { RegistryEvent } from '../event.ts'
import type { HeldEvents, StoredEvent } from './held-events.ts'
import type { LoggedEvent, LogWindow } from './log-window.ts'

/** The events of one repository, which go out one after the other. */
export interface Lane {
  readonly folder: string
  readonly queue: LoggedEvent[]
  /** True once its events wait on storage. */
  isHeld: boolean
  head: StoredEvent | undefined
  /** Events that are being put there, and how many were. */
  adding: number
  added: number
  /** Resolves once its empty folder is gone. */
  removing: Promise<void> | undefined
  /** Failures in a row. */
  attempts: number
  isBusy: boolean
  /** Until its next attempt. */
  timer: NodeJS.Timeout | undefined
}

/** An event that is the next of its lane: from the log, or from what is held on storage. */
export interface NextEvent {
  readonly event: RegistryEvent
  readonly logged?: LoggedEvent
  readonly stored?: StoredEvent
}

/** The events that wait for an endpoint, by repository: in memory, or on storage behind one that can't be delivered. */
export class Lanes {
  readonly #lanes = new Map<string, Lane>()
  readonly #held: HeldEvents
  readonly #window: LogWindow

  constructor(held: HeldEvents, window: LogWindow) {
    this.#held = held
    this.#window = window
  }

  /** How many have events on storage. */
  get heldCount(): number {
    let count = 0
    for (const { isHeld } of this.#lanes.values()) if (isHeld) count++
    return count
  }

  all(): Iterable<Lane> {
    return this.#lanes.values()
  }

  of(folder: string): Lane {
    const known = this.#lanes.get(folder)
    if (known !== undefined) return known
    const lane: Lane = {
      ...{ folder, queue: [], isHeld: false, head: undefined, adding: 0, added: 0, removing: undefined },
      ...{ attempts: 0, isBusy: false, timer: undefined },
    }
    this.#lanes.set(folder, lane)
    return lane
  }

  /** One whose events are on storage. */
  held(folder: string): Lane {
    const lane = this.of(folder)
    lane.isHeld = true
    return lane
  }

  /** Forgets one that has no events. */
  forget({ folder }: Lane): void {
    this.#lanes.delete(folder)
  }

  /** The next event of a lane. Undefined if it has none; one that was held is held no longer then. */
  async next(lane: Lane): Promise<NextEvent | undefined> {
    if (!lane.isHeld) {
      const [logged] = lane.queue
      return logged && { event: logged.event, logged }
    }
    const { added } = lane
    const head = lane.head ?? (await this.#held.first(lane.folder))
    lane.head = head
    if (head !== undefined) return { event: head.event, stored: head }
    // What was put there meanwhile may not have been found.
    if (lane.adding > 0 || lane.added !== added) return undefined
    lane.isHeld = false
    lane.attempts = 0
    lane.removing = this.#held.removeFolder(lane.folder)
    await lane.removing
    lane.removing = undefined
    return undefined
  }

  /** An event is delivered or dead. */
  async done(lane: Lane, { logged, stored }: NextEvent): Promise<void> {
    if (stored !== undefined) {
      if (lane.head === stored) lane.head = undefined
      return this.#held.remove(stored)
    }
    if (logged === undefined) return
    lane.queue.shift()
    this.#window.remove(logged)
  }

  /** Puts an event on storage, behind those that are there. */
  async hold(lane: Lane, logged: LoggedEvent): Promise<void> {
    await this.#adding(lane, () => this.#held.add(logged.event, logged.position))
    this.#window.remove(logged)
  }

  /** Puts all events of a lane on storage. */
  async holdAll(lane: Lane): Promise<void> {
    lane.isHeld = true
    for (const logged of lane.queue.splice(0)) await this.hold(lane, logged)
  }

  /** Puts a dead letter in front of what waits.
   *  @param name of the dead letter */
  async revive(folder: string, name: string): Promise<Lane> {
    while (this.#lanes.get(folder)?.removing !== undefined) await this.#lanes.get(folder)?.removing
    const lane = this.held(folder)
    await this.#adding(lane, () => this.#held.revive(name))
    clearTimeout(lane.timer)
    lane.timer = undefined
    lane.head = undefined
    return lane
  }

  async #adding(lane: Lane, add: () => Promise<unknown>): Promise<void> {
    lane.adding++
    await add()
    lane.adding--
    lane.added++
  }
}
