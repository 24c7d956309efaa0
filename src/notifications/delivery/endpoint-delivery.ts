import type { Log } from '../../core/log.ts'
import type { RegistryEvent } from '../event.ts'
import type { EventLog } from '../outbox/event-log.ts'
import type { OutboxState, Position } from '../outbox/outbox-state.ts'
import { folderOf } from '../outbox/paths.ts'
import { backoffOf } from './backoff.ts'
import { Circuit } from './circuit.ts'
import type { Endpoint } from './endpoint.ts'
import type { DeadLetter, HeldEvents } from './held-events.ts'
import { type Lane, Lanes, type NextEvent } from './lanes.ts'
import { type LoggedEvent, LogWindow } from './log-window.ts'
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

/** How many repositories are told of at once. */
export const CONCURRENCY = 16

/** How many events of a repository go out before others have their turn. */
const TURN = 20

const GONE = 410

/** How often the figures are brought up to date while events go out. */
const COUNT_MS = 250

/** Tells one endpoint what is in the log from a position on. The events of a repository go out in order; one that can't be delivered
 *  holds back those of its repository only. */
export class EndpointDelivery {
  readonly #parts: EndpointDeliveryParts
  readonly #window: LogWindow
  readonly #lanes: Lanes
  readonly #circuit: Circuit
  readonly #stopping = new AbortController()
  readonly #ready = new Set<Lane>()
  #running = 0
  #countedAt = 0
  #circuitTimer: NodeJS.Timeout | undefined
  #wake = Promise.withResolvers<void>()
  readonly #reading: Promise<void>
  #idle = Promise.withResolvers<void>()

  constructor(parts: EndpointDeliveryParts) {
    this.#parts = parts
    this.#window = new LogWindow(parts)
    this.#lanes = new Lanes(parts.held, this.#window)
    this.#circuit = new Circuit(parts.endpoint)
    this.#reading = this.#work().catch((error) => this.#fail(error))
  }

  /** All events before it are delivered, held or dead. */
  get position(): Position {
    return this.#window.position
  }

  /** The log has grown. */
  wake(): void {
    this.#wake.resolve()
  }

  /** Puts a dead letter in front of what waits for its repository. */
  async revive({ name, event }: DeadLetter & { readonly name: string }): Promise<void> {
    this.#enqueue(await this.#lanes.revive(folderOf(event.target.repository), name))
  }

  /** Attempts under way are broken off; their events are not delivered. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    clearTimeout(this.#circuitTimer)
    for (const { timer } of this.#lanes.all()) clearTimeout(timer)
    this.#wake.resolve()
    await this.#reading
    if (this.#running > 0) await this.#idle.promise
  }

  get #isStopped(): boolean {
    return this.#stopping.signal.aborted
  }

  async #work(): Promise<void> {
    for await (const folder of this.#parts.held.repositories()) this.#enqueue(this.#lanes.held(folder))
    while (!this.#isStopped) {
      this.#count()
      if (this.#window.canRead) {
        await this.#window.readOn(
          (logged) => this.#accept(logged),
          () => this.#isStopped,
        )
        continue
      }
      await this.#wake.promise
      this.#wake = Promise.withResolvers()
    }
  }

  async #accept(logged: LoggedEvent): Promise<void> {
    const { endpoint } = this.#parts
    if (!endpoint.subscription.wants(logged.event)) return
    endpoint.figures.events++
    this.#window.add(logged)
    const lane = this.#lanes.of(folderOf(logged.event.target.repository))
    if (lane.isHeld && lane.queue.length === 0) {
      await this.#lanes.hold(lane, logged)
      if (!lane.isBusy && lane.timer === undefined) this.#enqueue(lane)
      return
    }
    lane.queue.push(logged)
    if (lane.queue.length === 1) this.#enqueue(lane)
  }

  #enqueue(lane: Lane): void {
    if (lane.isBusy || this.#ready.has(lane)) return
    this.#ready.add(lane)
    this.#pump()
  }

  #pump(): void {
    for (const lane of this.#ready) {
      if (this.#running >= CONCURRENCY || this.#isStopped) return
      const { waitMs } = this.#circuit
      if (waitMs === undefined) return
      if (waitMs > 0) {
        clearTimeout(this.#circuitTimer)
        this.#circuitTimer = setTimeout(() => this.#pump(), waitMs).unref()
        return
      }
      this.#ready.delete(lane)
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
    else if (lane.queue.length === 0 && !lane.isHeld) this.#lanes.forget(lane)
    if (this.#window.isHalfEmpty) this.#wake.resolve()
    if (this.#window.size === 0 || performance.now() - this.#countedAt > COUNT_MS) this.#count()
    this.#pump()
  }

  /** Some of its events, until one fails. */
  async #turn(lane: Lane): Promise<void> {
    for (let count = 0; count < TURN && !this.#isStopped; count++) {
      const next = await this.#lanes.next(lane)
      if (next === undefined) return
      this.#circuit.begin()
      const delivery = await this.#parts.endpoint.sender.send([next.event], this.#stopping.signal)
      if (this.#isStopped) return
      this.#countAttempt(delivery)
      if (delivery.kind !== 'delivered') return this.#failed(lane, next, delivery)
      this.#circuit.succeeded()
      lane.attempts = 0
      await this.#lanes.done(lane, next)
    }
  }

  async #failed(
    lane: Lane,
    next: NextEvent,
    delivery: Exclude<Delivery, { kind: 'delivered' }>,
  ): Promise<void> {
    const { endpoint, log, onGone } = this.#parts
    const { event } = next
    const reason = delivery.kind === 'refused' ? String(delivery.status) : delivery.reason
    if (delivery.kind === 'refused' && delivery.status === GONE) return onGone()
    this.#circuit.failed(lane.folder)
    if (isExpired(event, endpoint.deadLetterMs)) {
      await this.#bury(event, reason)
      return this.#lanes.done(lane, next)
    }
    if (this.#circuit.isOpen) await this.#buryExpired(reason)
    else lane.attempts++
    if (lane.attempts === endpoint.threshold)
      log.warn(
        { endpoint: endpoint.name, event: event.id, reason },
        'an event could not be delivered; it is tried again',
      )
    if (lane.attempts >= endpoint.threshold) await this.#lanes.holdAll(lane)
    const waitMs = backoffOf(Math.max(1, lane.attempts), endpoint)
    lane.timer = setTimeout(() => {
      lane.timer = undefined
      this.#enqueue(lane)
    }, waitMs).unref()
  }

  /** What is too old when nothing can be delivered. */
  async #buryExpired(reason: string): Promise<void> {
    const { deadLetterMs } = this.#parts.endpoint
    for (const lane of this.#lanes.all()) {
      if (lane.isBusy && lane.queue.length > 0) continue
      for (;;) {
        const [logged] = lane.queue
        if (logged === undefined || !isExpired(logged.event, deadLetterMs)) break
        await this.#bury(logged.event, reason)
        await this.#lanes.done(lane, { event: logged.event, logged })
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
    const { oldest, depth } = this.#window
    figures.depth = depth
    figures.oldestAt = oldest && Date.parse(oldest.event.timestamp)
    figures.heldRepositories = this.#lanes.heldCount
  }

  #fail(error: unknown): void {
    if (!this.#isStopped) this.#parts.onError(error)
  }
}

function isExpired({ timestamp }: RegistryEvent, maxAgeMs: number): boolean {
  return Date.now() - Date.parse(timestamp) > maxAgeMs
}
