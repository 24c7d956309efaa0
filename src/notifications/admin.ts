import { setTimeout as delay } from 'node:timers/promises'
import { isPathNotFound } from '../core/errors.ts'
import type { StorageDriver } from '../core/storage-driver.ts'
import { type DeadLetter, HeldEvents } from './delivery/held-events.ts'
import type { RegistryEvent } from './event.ts'
import { EventLog } from './outbox/event-log.ts'
import { NO_OUTBOX_YET, type OutboxState, outboxState } from './outbox/outbox-state.ts'
import { type OutboxRequest, writeRequest } from './outbox/request.ts'

/** An endpoint, as an operator sees it. */
export interface EndpointSummary {
  readonly endpoint: string
  /** Events of the log that it was not told yet, before filters. */
  readonly waiting: number
  /** Repositories whose events wait behind one that can't be delivered, by the event that is tried. */
  readonly held: readonly RegistryEvent[]
  readonly dead: readonly (DeadLetter & { readonly name: string })[]
  /** Why it is told nothing any more. */
  readonly off: string | undefined
}

/** Where an event was found. */
export interface FoundEvent {
  readonly where: string
  readonly event: RegistryEvent
}

/** How long it waits for whoever delivers to do what was asked for. */
const PATIENCE_MS = 60_000
const LOOK_MS = 100

/** What an operator can see of an outbox, and do to it, beside the registries that serve. */
export class OutboxAdmin {
  readonly #storage: StorageDriver
  readonly #eventLog: EventLog

  constructor(storage: StorageDriver) {
    this.#storage = storage
    this.#eventLog = new EventLog(storage)
  }

  async *endpoints(): AsyncIterable<EndpointSummary> {
    const state = await this.#state()
    for (const [endpoint, { segment, index, off }] of Object.entries(state.endpoints)) {
      const found = segment < state.next ? await this.#eventLog.read(segment, state) : undefined
      const held = new HeldEvents(this.#storage, endpoint)
      const first: RegistryEvent[] = []
      for await (const folder of held.repositories()) {
        const stored = await held.first(folder)
        if (stored !== undefined) first.push(stored.event)
      }
      const dead: EndpointSummary['dead'][number][] = []
      for await (const letter of held.dead()) dead.push(letter)
      yield {
        ...{ endpoint, off, held: first, dead },
        waiting: off !== undefined || found === undefined ? 0 : state.written - found.first - index,
      }
    }
  }

  /** Undefined if it is not kept, or not any more. */
  async find(id: string): Promise<FoundEvent | undefined> {
    const state = await this.#state()
    for (const endpoint of Object.keys(state.endpoints)) {
      const held = new HeldEvents(this.#storage, endpoint)
      for await (const { event, reason } of held.dead())
        if (event.id === id) return { where: `a dead letter of ${endpoint}: ${reason}`, event }
    }
    for (let segment = state.next - 1; segment >= state.first; segment--) {
      const found = await this.#eventLog.read(segment, state)
      const event = found?.events.find((one) => one.id === id)
      if (event !== undefined) return { where: 'the log', event }
    }
    return undefined
  }

  /** Removes dead letters: all of an endpoint's, or one.
   *  @returns how many */
  async dropDead(endpoint: string, id: string | undefined): Promise<number> {
    await this.#require(endpoint)
    const held = new HeldEvents(this.#storage, endpoint)
    let count = 0
    for await (const { name, event } of held.dead()) {
      if (id !== undefined && event.id !== id) continue
      await held.removeDead(name)
      count++
    }
    return count
  }

  /** Asks whoever delivers.
   *  @returns false if nobody has done it in a while: it is done as soon as a registry runs
   *  @throws Error if there is no such endpoint */
  async ask(request: OutboxRequest): Promise<boolean> {
    await this.#require(request.endpoint)
    const path = await writeRequest(this.#storage, request)
    const deadline = performance.now() + PATIENCE_MS
    while (performance.now() < deadline) {
      if (!(await this.#isThere(path))) return true
      await delay(LOOK_MS)
    }
    return false
  }

  async #isThere(path: string): Promise<boolean> {
    try {
      await this.#storage.stat(path)
      return true
    } catch (error) {
      if (isPathNotFound(error)) return false
      throw error
    }
  }

  async #require(endpoint: string): Promise<void> {
    const { endpoints } = await this.#state()
    if (Object.hasOwn(endpoints, endpoint)) return
    const known = Object.keys(endpoints).join(', ') || 'none'
    throw new Error(`there is no endpoint ${endpoint} in the outbox, but: ${known}`)
  }

  async #state(): Promise<OutboxState> {
    return (await outboxState(this.#storage).get())?.state ?? NO_OUTBOX_YET
  }
}
