import { setTimeout as delay } from 'node:timers/promises'
import type { Pull } from '../../core/notifications/pull-observer.ts'
import type { RequestOrigin } from '../../core/notifications/request-scope.ts'
import { backoffOf } from '../delivery/backoff.ts'
import type { Endpoint } from '../delivery/endpoint.ts'
import type { Delivery } from '../delivery/sender.ts'
import type { RegistryEvent } from '../event.ts'
import { PullRing, type WaitingPull } from './pull-ring.ts'

/** What waits in memory at most; more is dropped. */
const LIMITS = { pulls: 10_000, payloadBytes: 16 * 1024 * 1024 }

/** Requests that a busy registry can make without those who pull noticing it: how many pulls one tells of at most, and the time from the
 *  beginning of one to that of the next, in milliseconds. 2,000 pulls a second in Distribution's envelope, which has room for several;
 *  250 a second in formats that have not. */
const PACES = { several: { pulls: 200, ms: 100 }, single: { pulls: 1, ms: 4 } }

/** How long the first pull waits for others that go with it, in milliseconds. */
const GATHER_MS = 50

/** How many requests are under way at most. */
const CONCURRENCY = 4

/** After so many attempts what a request tells of is dropped. */
const ATTEMPTS = 3

const GONE = 410

/** The pulls that one endpoint is told of. A pull by itself costs a place in a ring; events are made of many at once, at a pace that
 *  leaves nearly all of the process's time to requests. What comes faster for long is dropped and counted. */
export class PullQueue {
  readonly #endpoint: Endpoint
  readonly #eventOf: (waiting: WaitingPull) => RegistryEvent
  readonly #ring = new PullRing(LIMITS)
  readonly #stopping = new AbortController()
  readonly #running = new Set<Promise<void>>()
  #timer: NodeJS.Timeout | undefined
  /** When the last request began. */
  #begunAt = Number.NEGATIVE_INFINITY
  /** Until when nothing is told, because the endpoint has answered 410: only the process that delivers changes knows whether it is
   *  switched on again. */
  #goneUntil = Number.NEGATIVE_INFINITY

  constructor(endpoint: Endpoint, eventOf: (waiting: WaitingPull) => RegistryEvent) {
    this.#endpoint = endpoint
    this.#eventOf = eventOf
  }

  /** True if the endpoint wants to hear of the pull and there is room for it. Counts it as dropped if only room is missing. */
  takes({ repository, descriptor: { mediaType }, kind }: Pull): boolean {
    const { subscription, figures } = this.#endpoint
    if (figures.off !== undefined || performance.now() < this.#goneUntil) return false
    if (!subscription.wants({ action: 'pull', target: { kind, repository, mediaType } })) return false
    if (!this.#ring.isFull) return true
    figures.droppedPulls++
    return false
  }

  push(pull: Pull, origin: RequestOrigin): void {
    this.#ring.push(pull, origin)
    this.#plan()
  }

  /** Drops what waits, and breaks off requests under way. */
  async stop(): Promise<void> {
    this.#stopping.abort()
    clearTimeout(this.#timer)
    await Promise.all(this.#running)
  }

  get #pace() {
    return this.#endpoint.sender.takesSeveral ? PACES.several : PACES.single
  }

  /** Sees to it that the next request begins in time. */
  #plan(): void {
    if (this.#timer !== undefined || this.#running.size >= CONCURRENCY || this.#ring.size === 0) return
    const { ms } = this.#pace
    const waitMs = Math.max(Math.min(GATHER_MS, ms), this.#begunAt + ms - performance.now())
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      if (!this.#stopping.signal.aborted) this.#begin()
    }, waitMs).unref()
  }

  #begin(): void {
    this.#begunAt = performance.now()
    const telling: Promise<void> = this.#tell(this.#takeBatch()).finally(() => {
      this.#running.delete(telling)
      this.#plan()
    })
    this.#running.add(telling)
    this.#plan()
  }

  #takeBatch(): RegistryEvent[] {
    const batch: RegistryEvent[] = []
    while (batch.length < this.#pace.pulls) {
      const waiting = this.#ring.shift()
      if (waiting === undefined) break
      batch.push(this.#eventOf(waiting))
    }
    return batch
  }

  async #tell(events: readonly RegistryEvent[]): Promise<void> {
    const { sender, figures } = this.#endpoint
    const { signal } = this.#stopping
    figures.events += events.length
    for (let attempt = 1; !signal.aborted; attempt++) {
      const delivery = await sender.send(events, signal)
      this.#count(delivery, events.length)
      if (delivery.kind === 'delivered') return
      const isGone = delivery.kind === 'refused' && delivery.status === GONE
      if (isGone) this.#goneUntil = performance.now() + this.#endpoint.maxBackoffMs
      if (isGone || attempt === ATTEMPTS) {
        figures.droppedPulls += events.length
        return
      }
      await delay(backoffOf(attempt, this.#endpoint), undefined, { signal }).catch(() => undefined)
    }
  }

  #count(delivery: Delivery, events: number): void {
    const { figures } = this.#endpoint
    if (delivery.kind === 'delivered') figures.successes += events
    else if (delivery.kind === 'refused') figures.failures += events
    else figures.errors += events
    if (delivery.kind === 'error') return
    const { status } = delivery
    figures.statuses.set(status, (figures.statuses.get(status) ?? 0) + events)
  }
}
