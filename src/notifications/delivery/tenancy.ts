import { setTimeout as delay } from 'node:timers/promises'
import type { RegistryEvent } from '../event.ts'
import { EventLog, SEGMENT_EVENTS } from '../outbox/event-log.ts'
import { Journals } from '../outbox/journals.ts'
import { LogRetention } from '../outbox/log-retention.ts'
import type { EndpointState, OutboxState } from '../outbox/outbox-state.ts'
import { readRequests } from '../outbox/request.ts'
import { DispatcherReplaced, type OutboxTenure } from '../outbox/tenure.ts'
import type { DispatcherParts, DispatcherTiming } from './dispatcher-parts.ts'
import type { Endpoint } from './endpoint.ts'
import { EndpointDelivery } from './endpoint-delivery.ts'
import { HeldEvents } from './held-events.ts'
import { fulfil } from './requests.ts'

export type TenancyParts = DispatcherParts & { readonly timing: DispatcherTiming }

/** How often the places that endpoints have come to are written, at most. */
const SAVE_MS = 2_000

/** How often requests of operators are looked for, and what is kept for too long. */
const TIDY_MS = 2_000

/** How long what was announced waits for more at most, so that it goes into the log together: each change of the state costs a file
 *  or a request. */
const APPEND_MS = 200

/** Between two looks, the second of which is only to see whether something came before what was found. */
const SECOND_LOOK_MS = 5

/** The work of the one process that delivers: it brings the journals of all processes into one log, and tells each endpoint. */
export class Tenancy {
  readonly #tenure: OutboxTenure
  readonly #parts: TenancyParts
  readonly #eventLog: EventLog
  readonly #journals: Journals
  readonly #retention: LogRetention
  readonly #deliveries = new Map<string, EndpointDelivery>()
  #wake = Promise.withResolvers<void>()
  #failure: { readonly error: unknown } | undefined
  #savedAt = 0
  #appendedAt = Number.NEGATIVE_INFINITY
  #tidiedAt = 0

  constructor(tenure: OutboxTenure, parts: TenancyParts) {
    const { storage, registry, log, timing, retentionMs } = parts
    this.#tenure = tenure
    this.#parts = parts
    this.#eventLog = new EventLog(storage)
    this.#journals = new Journals(
      { storage, registry, log, leaseMs: timing.journalLeaseMs },
      tenure.state.merged,
    )
    this.#retention = new LogRetention({ storage, eventLog: this.#eventLog, retentionMs })
  }

  wake(): void {
    this.#wake.resolve()
  }

  /** Until the signal, or until another process has taken its place.
   *  @throws DispatcherReplaced; whatever storage fails with */
  async run(signal: AbortSignal): Promise<void> {
    await this.#begin()
    while (!signal.aborted) {
      this.#wake = Promise.withResolvers()
      if (this.#failure !== undefined) throw this.#failure.error
      if (!this.#tenure.isHeld) throw new DispatcherReplaced('the right to deliver was not renewed in time')
      const isMore = await this.#merge()
      await this.#save()
      await this.#tidy()
      if (isMore) await delay(SECOND_LOOK_MS)
      else await Promise.race([this.#wake.promise, this.#pause(signal)])
    }
  }

  /** Lets another process begin. */
  async close(): Promise<void> {
    await Promise.all([...this.#deliveries.values()].map((delivery) => delivery.stop()))
    // Where another has taken its place, that has its own.
    await this.#save({ force: true }).catch(() => undefined)
    await this.#tenure.end().catch(() => undefined)
  }

  async #pause(signal: AbortSignal): Promise<void> {
    const { pollMs } = this.#parts
    await delay(Math.min(pollMs, this.#isBusy ? SAVE_MS : pollMs), undefined, { signal }).catch(
      () => undefined,
    )
  }

  get #isBusy(): boolean {
    return this.#changedEndpoints() !== undefined
  }

  /** Endpoints that are new are told what comes from now on; those that are gone from the configuration are forgotten. */
  async #begin(): Promise<void> {
    const { endpoints } = this.#parts
    await this.#tenure.change((state) => ({
      ...state,
      endpoints: Object.fromEntries(endpoints.map((endpoint) => [endpoint.name, beginning(endpoint, state)])),
    }))
    for (const endpoint of endpoints) this.#start(endpoint, this.#tenure.state.endpoints[endpoint.name]!)
  }

  #start(endpoint: Endpoint, start: EndpointState): void {
    endpoint.figures.off = start.off
    if (start.off !== undefined) return
    const { storage, log } = this.#parts
    const delivery = new EndpointDelivery({
      ...{ endpoint, eventLog: this.#eventLog, start, log },
      held: new HeldEvents(storage, endpoint.name),
      state: () => this.#tenure.state,
      onGone: () => void this.#switchOff(endpoint).catch((error) => this.#fail(error)),
      onError: (error) => this.#fail(error),
    })
    this.#deliveries.set(endpoint.name, delivery)
  }

  #fail(error: unknown): void {
    this.#failure ??= { error }
    this.wake()
  }

  /** Brings what was announced into the log.
   *  @returns true if another look may bring more */
  async #merge(): Promise<boolean> {
    const soonest = this.#appendedAt + APPEND_MS - performance.now()
    if (soonest > 0 && this.#journals.needsLook) await delay(soonest)
    const events = await this.#journals.look()
    if (events.length > 0) await this.#append(events)
    await this.#journals.removeMerged()
    return events.length > 0 || this.#journals.needsLook
  }

  async #append(events: readonly RegistryEvent[]): Promise<void> {
    const { next, written, epoch } = this.#tenure.state
    let segment = next
    for (let start = 0; start < events.length; start += SEGMENT_EVENTS) {
      const part = events.slice(start, start + SEGMENT_EVENTS)
      await this.#eventLog.write(segment++, { epoch }, { first: written + start, events: part })
    }
    const { merged } = this.#journals
    await this.#tenure.change((state) => ({
      ...state,
      ...{ next: segment, written: written + events.length, merged },
      endpoints: { ...state.endpoints, ...this.#changedEndpoints() },
    }))
    this.#appendedAt = performance.now()
    this.#savedAt = this.#appendedAt
    for (const delivery of this.#deliveries.values()) delivery.wake()
  }

  /** The endpoints' places, if they have changed. */
  #changedEndpoints(): Record<string, EndpointState> | undefined {
    const { endpoints } = this.#tenure.state
    const changed: Record<string, EndpointState> = {}
    for (const [name, delivery] of this.#deliveries) {
      const [known, { segment, index }] = [endpoints[name], delivery.position]
      if (known?.segment !== segment || known.index !== index) changed[name] = { segment, index }
    }
    return Object.keys(changed).length === 0 ? undefined : changed
  }

  async #save({ force = false } = {}): Promise<void> {
    if (!force && performance.now() - this.#savedAt < SAVE_MS) return
    const changed = this.#changedEndpoints()
    if (changed === undefined) return
    await this.#tenure.change((state) => ({ ...state, endpoints: { ...state.endpoints, ...changed } }))
    this.#savedAt = performance.now()
  }

  async #tidy(): Promise<void> {
    if (performance.now() - this.#tidiedAt < TIDY_MS) return
    this.#tidiedAt = performance.now()
    for await (const { path, request } of readRequests(this.#parts.storage)) {
      await fulfil(request, {
        storage: this.#parts.storage,
        eventLog: this.#eventLog,
        state: this.#tenure.state,
        deliveries: this.#deliveries,
        moveTo: (name, to) => this.#moveTo(name, to),
      })
      await this.#parts.storage.delete(path)
    }
    await this.#retention.apply(this.#tenure)
  }

  /** Tells an endpoint from another position on. */
  async #moveTo(name: string, to: EndpointState): Promise<void> {
    const endpoint = this.#parts.endpoints.find((one) => one.name === name)
    if (endpoint === undefined) return
    await this.#deliveries.get(name)?.stop()
    this.#deliveries.delete(name)
    await this.#tenure.change((state) => ({ ...state, endpoints: { ...state.endpoints, [name]: to } }))
    this.#start(endpoint, to)
  }

  /** The receiver has said that it is gone for good. */
  async #switchOff(endpoint: Endpoint): Promise<void> {
    const { name, urlHash } = endpoint
    const delivery = this.#deliveries.get(name)
    if (delivery === undefined) return
    this.#deliveries.delete(name)
    const off = `it answered 410 at ${new Date().toISOString()}`
    const { segment, index } = delivery.position
    await delivery.stop()
    await this.#tenure.change((state) => ({
      ...state,
      endpoints: { ...state.endpoints, [name]: { segment, index, off, offUrl: urlHash } },
    }))
    endpoint.figures.off = off
    this.#parts.log.error({ endpoint: name }, 'an endpoint answered 410 and is switched off')
  }
}

function beginning({ name, urlHash }: Endpoint, { endpoints, next }: OutboxState): EndpointState {
  const known = endpoints[name]
  if (known === undefined) return { segment: next, index: 0 }
  if (known.off === undefined || known.offUrl === urlHash) return known
  return { segment: known.segment, index: known.index }
}
