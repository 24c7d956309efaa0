import type { Log } from '../../core/log.ts'
import type { RegistryEvent } from '../event.ts'
import type { EventLog } from '../outbox/event-log.ts'
import type { OutboxState, Position } from '../outbox/outbox-state.ts'
import { folderOf } from '../outbox/paths.ts'
import { backoffOf } from './backoff.ts'
import { Circuit } from './circuit.ts'
import type { Endpoint } from './endpoint.ts'
import type { DeadLetter, HeldEvents, StoredEvent } from './held-events.ts'
import type { Delivery } from './sender.ts'

export interface EndpointDeliveryParts {
  readonly endpoint: Endpoint
  readonly eventLog: EventLog
  readonly held: HeldEvents
  /** How far the log goes. */
  readonly state: () => OutboxState
  readonly start: Position
  readonly log: Log
  /** The endpoint has answered 410: it wants no more. */
  readonly onGone: () => void
  /** Storage fails. */
  readonly onError: (error: unknown) => void
}

/** How many events of the log are in memory at once. */
const WINDOW = 1_000

/** How many repositories are told of at once. */
export const CONCURRENCY = 16

/** How many events of a repository go out before others have their turn. */
const TURN = 20

interface Item {
  readonly event: RegistryEvent
  readonly position: Position
}

/** An event that is the next of its lane: from the log, or from what is held on storage. */
interface Next {
  readonly event: RegistryEvent
  readonly item?: Item
  readonly stored?: StoredEvent
}

/** The events of one repository, which go out one after the other. */
interface Lane {
  readonly folder: string
  readonly queue: Item[]
  /** True once its events wait on storage. */
  isHeld: boolean
  head: StoredEvent | undefined
  /** Events that are being put there, and how many were. */
  adding: number
  added: number
  /** Resolves once its empty folder is gone. */
  removing: Promise<void> | undefined
  attempts: number
  isBusy: boolean
  timer: NodeJS.Timeout | undefined
}

/** Tells one endpoint what is in the log from a position on. The events of a repository go out in order; one that can't be delivered
 *  holds back those of its repository only. */
export class EndpointDelivery {
  readonly #parts: EndpointDeliveryParts
  readonly #circuit: Circuit
  readonly #stopping = new AbortController()
  /** Not delivered, held or dead yet, in the order of the log. */
  readonly #pending = new Set<Item>()
  readonly #lanes = new Map<string, Lane>()
  readonly #ready: Lane[] = []
  #read: Position
  #unread = 0
  #running = 0
  #countedAt = 0
  #circuitTimer: NodeJS.Timeout | undefined
  #wake = Promise.withResolvers<void>()
  readonly #reading: Promise<void>
  #idle = Promise.withResolvers<void>()

  constructor(parts: EndpointDeliveryParts) {
    this.#parts = parts
    this.#circuit = new Circuit(parts.endpoint)
    this.#read = parts.start
    this.#reading = this.#work().catch((error) => this.#fail(error))
  }

  /** All events before it are delivered, held or dead. */
  get position(): Position {
    const [first] = this.#pending
    return first?.position ?? this.#read
  }

  /** The log has grown. */
  wake(): void {
    this.#wake.resolve()
  }

  /** Puts a dead letter in front of what waits for its repository. */
  async revive({ name, event }: DeadLetter & { readonly name: string }): Promise<void> {
    const folder = folderOf(event.target.repository)
    while (this.#lanes.get(folder)?.removing !== undefined) await this.#lanes.get(folder)?.removing
    const lane = this.#heldLane(folder)
    await this.#adding(lane, () => this.#parts.held.revive(name))
    clearTimeout(lane.timer)
    lane.timer = undefined
    lane.head = undefined
    this.#enqueue(lane)
  }

  /** Attempts under way are broken off; their events are not delivered. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    clearTimeout(this.#circuitTimer)
    for (const { timer } of this.#lanes.values()) clearTimeout(timer)
    this.#wake.resolve()
    await this.#reading
    if (this.#running > 0) await this.#idle.promise
  }

  get #isStopped(): boolean {
    return this.#stopping.signal.aborted
  }

  async #work(): Promise<void> {
    for await (const folder of this.#parts.held.repositories()) this.#enqueue(this.#heldLane(folder))
    while (!this.#isStopped) {
      const isAtEnd = this.#read.segment >= this.#parts.state().next
      this.#count()
      if (isAtEnd || this.#pending.size >= WINDOW) {
        await this.#wake.promise
        this.#wake = Promise.withResolvers()
        continue
      }
      await this.#readOn()
    }
  }

  async #readOn(): Promise<void> {
    const { segment } = this.#read
    const state = this.#parts.state()
    const found = await this.#parts.eventLog.read(segment, state)
    const events = found?.events ?? []
    while (this.#read.index < events.length && this.#pending.size < WINDOW && !this.#isStopped) {
      const position = this.#read
      this.#read = { segment, index: position.index + 1 }
      await this.#accept({ event: events[position.index]!, position })
    }
    this.#unread = found === undefined ? 0 : state.written - found.first - this.#read.index
    if (this.#read.index >= events.length) this.#read = { segment: segment + 1, index: 0 }
  }

  async #accept(item: Item): Promise<void> {
    const { endpoint } = this.#parts
    if (!endpoint.subscription.wants(item.event)) return
    endpoint.figures.events++
    this.#pending.add(item)
    const folder = folderOf(item.event.target.repository)
    const lane = this.#lanes.get(folder) ?? this.#newLane(folder)
    if (lane.isHeld && lane.queue.length === 0) return this.#hold(lane, item)
    lane.queue.push(item)
    if (lane.queue.length === 1) this.#enqueue(lane)
  }

  #newLane(folder: string): Lane {
    const lane: Lane = {
      ...{ folder, queue: [], isHeld: false, head: undefined, adding: 0, added: 0, removing: undefined },
      ...{ attempts: 0, isBusy: false, timer: undefined },
    }
    this.#lanes.set(folder, lane)
    return lane
  }

  #heldLane(folder: string): Lane {
    const lane = this.#lanes.get(folder) ?? this.#newLane(folder)
    lane.isHeld = true
    return lane
  }

  async #hold(lane: Lane, item: Item): Promise<void> {
    await this.#store(lane, item)
    if (!lane.isBusy && lane.timer === undefined) this.#enqueue(lane)
  }

  #enqueue(lane: Lane): void {
    if (lane.isBusy || this.#ready.includes(lane)) return
    this.#ready.push(lane)
    this.#pump()
  }

  #pump(): void {
    while (this.#ready.length > 0 && this.#running < CONCURRENCY && !this.#isStopped) {
      const { waitMs } = this.#circuit
      if (waitMs === undefined) return
      if (waitMs > 0) {
        clearTimeout(this.#circuitTimer)
        this.#circuitTimer = setTimeout(() => this.#pump(), waitMs).unref()
        return
      }
      const lane = this.#ready.shift()!
      lane.isBusy = true
      this.#running++
      void this.#turn(lane)
        .catch((error) => this.#fail(error))
        .finally(() => this.#turned(lane))
    }
  }

  #turned(lane: Lane): void {
    lane.isBusy = false
    this.#running--
    if (this.#isStopped) {
      if (this.#running === 0) this.#idle.resolve()
      return
    }
    if (lane.timer === undefined && (lane.queue.length > 0 || lane.isHeld)) this.#enqueue(lane)
    else if (lane.queue.length === 0 && !lane.isHeld) this.#lanes.delete(lane.folder)
    if (this.#pending.size < WINDOW / 2) this.#wake.resolve()
    if (this.#pending.size === 0 || performance.now() - this.#countedAt > COUNT_MS) this.#count()
    this.#pump()
  }

  /** Some of its events, until one fails. */
  async #turn(lane: Lane): Promise<void> {
    for (let count = 0; count < TURN && !this.#isStopped; count++) {
      const next = lane.isHeld ? await this.#headOf(lane) : firstOf(lane)
      if (next === undefined) return
      this.#circuit.begin()
      const delivery = await this.#parts.endpoint.sender.send([next.event], this.#stopping.signal)
      if (this.#isStopped) return
      this.#countAttempt(delivery)
      if (delivery.kind !== 'delivered') return this.#failed(lane, next, delivery)
      this.#circuit.succeeded()
      lane.attempts = 0
      await this.#done(lane, next)
    }
  }

  /** The first event of a held repository; undefined if none is left, and then it is held no longer. */
  async #headOf(lane: Lane): Promise<Next | undefined> {
    const { added } = lane
    const head = lane.head ?? (await this.#parts.held.first(lane.folder))
    lane.head = head
    if (head !== undefined) return { event: head.event, stored: head }
    // What was put there meanwhile may not have been found.
    if (lane.adding > 0 || lane.added !== added) return undefined
    lane.isHeld = false
    lane.attempts = 0
    lane.removing = this.#parts.held.removeFolder(lane.folder)
    await lane.removing
    lane.removing = undefined
    return undefined
  }

  async #done(lane: Lane, { item, stored }: Next): Promise<void> {
    if (stored !== undefined) {
      if (lane.head === stored) lane.head = undefined
      return this.#parts.held.remove(stored)
    }
    if (item === undefined) return
    lane.queue.shift()
    this.#pending.delete(item)
  }

  async #failed(lane: Lane, next: Next, delivery: Exclude<Delivery, { kind: 'delivered' }>): Promise<void> {
    const { endpoint, log, onGone } = this.#parts
    const { event } = next
    const reason = delivery.kind === 'refused' ? String(delivery.status) : delivery.reason
    const fields = { endpoint: endpoint.name, event: event.id, reason }
    if (delivery.kind === 'refused' && delivery.status === GONE) return onGone()
    this.#circuit.failed(lane.folder)
    if (isExpired(event, endpoint.deadLetterMs)) {
      await this.#bury(event, reason)
      return this.#done(lane, next)
    }
    if (this.#circuit.isOpen) await this.#buryExpired(reason)
    else lane.attempts++
    if (lane.attempts === endpoint.threshold)
      log.warn(fields, 'an event could not be delivered; it is tried again')
    if (lane.attempts >= endpoint.threshold) await this.#holdAll(lane)
    const waitMs = backoffOf(Math.max(1, lane.attempts), endpoint)
    lane.timer = setTimeout(() => {
      lane.timer = undefined
      this.#enqueue(lane)
    }, waitMs).unref()
  }

  async #holdAll(lane: Lane): Promise<void> {
    lane.isHeld = true
    for (const item of lane.queue.splice(0)) await this.#store(lane, item)
  }

  async #store(lane: Lane, item: Item): Promise<void> {
    await this.#adding(lane, () => this.#parts.held.add(item.event, item.position))
    this.#pending.delete(item)
  }

  async #adding(lane: Lane, add: () => Promise<unknown>): Promise<void> {
    lane.adding++
    await add()
    lane.adding--
    lane.added++
  }

  /** What is too old when nothing can be delivered. */
  async #buryExpired(reason: string): Promise<void> {
    for (const lane of this.#lanes.values()) {
      if (lane.isBusy && lane.queue.length > 0) continue
      while (
        lane.queue[0] !== undefined &&
        isExpired(lane.queue[0].event, this.#parts.endpoint.deadLetterMs)
      ) {
        await this.#bury(lane.queue[0].event, reason)
        const item = lane.queue.shift()
        if (item !== undefined) this.#pending.delete(item)
      }
    }
  }

  async #bury(event: RegistryEvent, reason: string): Promise<void> {
    const { endpoint, held, log } = this.#parts
    await held.bury(event, reason)
    endpoint.figures.deadLetters++
    log.error(
      { endpoint: endpoint.name, event: event.id, reason },
      'an event was given up: it is a dead letter',
    )
  }

  #countAttempt(delivery: Delivery): void {
    const { figures } = this.#parts.endpoint
    if (delivery.kind === 'delivered') figures.successes++
    else if (delivery.kind === 'refused') figures.failures++
    else figures.errors++
    if (delivery.kind === 'error') return
    figures.statuses.set(delivery.status, (figures.statuses.get(delivery.status) ?? 0) + 1)
  }

  #count(): void {
    this.#countedAt = performance.now()
    const { figures } = this.#parts.endpoint
    const [first] = this.#pending
    figures.depth = this.#unread + this.#pending.size
    figures.oldestAt = first && Date.parse(first.event.timestamp)
    figures.heldRepositories = [...this.#lanes.values()].filter(({ isHeld }) => isHeld).length
  }

  #fail(error: unknown): void {
    if (!this.#isStopped) this.#parts.onError(error)
  }
}

function firstOf({ queue: [item] }: Lane): Next | undefined {
  return item && { event: item.event, item }
}

const GONE = 410

const COUNT_MS = 250

function isExpired({ timestamp }: RegistryEvent, maxAgeMs: number): boolean {
  return Date.now() - Date.parse(timestamp) > maxAgeMs
}
