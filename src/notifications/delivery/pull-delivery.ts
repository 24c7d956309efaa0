import { setTimeout as delay } from 'node:timers/promises'
import { parseManifest } from '../../core/manifest/parse.ts'
import type { Pull, PullObserver } from '../../core/notifications/pull-observer.ts'
import type { RequestOrigin } from '../../core/notifications/request-scope.ts'
import type { EventFactory, EventTarget, RegistryEvent } from '../event.ts'
import { referencesOf } from '../references.ts'
import { backoffOf } from './backoff.ts'
import type { Endpoint } from './endpoint.ts'

/** How many pulls wait in memory; more are dropped. */
const MAX_WAITING = 10_000

const CONCURRENCY = 8

/** How busy the process may be, from 0 to 1, so that more than one pull is told at once: those who pull come first. */
const BUSY = 0.7
const BUSY_MS = 100

/** Pulls are told as far as that goes: after so many attempts one is dropped. */
const ATTEMPTS = 3

interface WaitingPull {
  readonly pull: Pull
  readonly origin: RequestOrigin
}

/** Tells endpoints of pulls. Best effort: they wait in bounded memory, and a stop drops them. */
export class PullDelivery implements PullObserver {
  readonly #queues: readonly PullQueue[]

  /** @param endpoints that want to hear of pulls */
  constructor(
    endpoints: readonly Endpoint[],
    { events, includeReferences }: { events: EventFactory; includeReferences: boolean },
  ) {
    const eventOf = ({ pull, origin }: WaitingPull) =>
      events.create('pull', targetOf(pull, includeReferences), origin)
    this.#queues = endpoints.map((endpoint) => new PullQueue(endpoint, eventOf))
  }

  pulled(pull: Pull, origin: () => RequestOrigin): void {
    let waiting: WaitingPull | undefined
    for (const queue of this.#queues) {
      if (!queue.wants(pull)) continue
      waiting ??= { pull, origin: origin() }
      queue.push(waiting)
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.#queues.map((queue) => queue.stop()))
  }
}

class PullQueue {
  readonly #endpoint: Endpoint
  readonly #eventOf: (waiting: WaitingPull) => RegistryEvent
  readonly #stopping = new AbortController()
  readonly #running = new Set<Promise<void>>()
  #waiting: WaitingPull[] = []
  #next = 0
  #measured = performance.eventLoopUtilization()
  #measuredAt = performance.now()
  #wasBusy = false

  constructor(endpoint: Endpoint, eventOf: (waiting: WaitingPull) => RegistryEvent) {
    this.#endpoint = endpoint
    this.#eventOf = eventOf
  }

  wants({ repository, descriptor: { mediaType }, kind }: Pull): boolean {
    const { subscription, figures } = this.#endpoint
    if (figures.off !== undefined) return false
    return subscription.wants({ action: 'pull', target: { kind, repository, mediaType } })
  }

  push(waiting: WaitingPull): void {
    const { figures } = this.#endpoint
    if (this.#waiting.length - this.#next >= MAX_WAITING) {
      figures.droppedPulls++
      return
    }
    this.#waiting.push(waiting)
    if (this.#running.size >= CONCURRENCY || (this.#running.size > 0 && this.#isBusy())) return
    const running: Promise<void> = this.#work().finally(() => this.#running.delete(running))
    this.#running.add(running)
  }

  async stop(): Promise<void> {
    this.#stopping.abort()
    await Promise.all(this.#running)
  }

  async #work(): Promise<void> {
    // Whoever pulls is not made to wait for what an event costs.
    await delay(0)
    for (let waiting = this.#take(); waiting !== undefined; waiting = this.#take()) {
      await this.#tell(waiting)
      if (this.#running.size > 1 && this.#isBusy()) return
    }
  }

  #isBusy(): boolean {
    const now = performance.now()
    if (now - this.#measuredAt < BUSY_MS) return this.#wasBusy
    const measured = performance.eventLoopUtilization()
    this.#wasBusy = performance.eventLoopUtilization(measured, this.#measured).utilization > BUSY
    this.#measured = measured
    this.#measuredAt = now
    return this.#wasBusy
  }

  #take(): WaitingPull | undefined {
    if (this.#stopping.signal.aborted) return undefined
    const waiting = this.#waiting[this.#next]
    if (waiting === undefined) {
      this.#waiting = []
      this.#next = 0
      return undefined
    }
    this.#next++
    if (this.#next === MAX_WAITING) {
      this.#waiting = this.#waiting.slice(this.#next)
      this.#next = 0
    }
    return waiting
  }

  async #tell(waiting: WaitingPull): Promise<void> {
    const { sender, figures } = this.#endpoint
    const { signal } = this.#stopping
    const event = this.#eventOf(waiting)
    figures.events++
    for (let attempt = 1; !signal.aborted; attempt++) {
      const delivery = await sender.send(event, signal)
      if (delivery.kind === 'delivered') figures.successes++
      else if (delivery.kind === 'refused') figures.failures++
      else figures.errors++
      if (delivery.kind !== 'error')
        figures.statuses.set(delivery.status, (figures.statuses.get(delivery.status) ?? 0) + 1)
      if (delivery.kind === 'delivered') return
      if (attempt === ATTEMPTS) {
        figures.droppedPulls++
        return
      }
      await delay(backoffOf(attempt, this.#endpoint), undefined, { signal }).catch(() => undefined)
    }
  }
}

function targetOf(
  { kind, repository, descriptor, tag, payload }: Pull,
  withReferences: boolean,
): EventTarget {
  const references = withReferences && payload ? referencesOf(parseManifest(payload)) : undefined
  return { kind, repository, ...descriptor, tag, references }
}
