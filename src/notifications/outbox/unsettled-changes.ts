import type { Log } from '../../core/log.ts'
import type { Registry } from '../../core/registry.ts'
import type { StorageDriver } from '../../core/storage-driver.ts'
import type { RegistryEvent } from '../event.ts'
import { hasHappened, isSameChange } from './evidence.ts'
import { decodeLines, encodeLine } from './journal-record.ts'
import { UNSETTLED } from './paths.ts'

export interface SettlingTime {
  /** From the first look at storage to the second, in milliseconds. Each later pause is twice as long. */
  readonly firstMs: number
  /** After this time no request arrives any more, in milliseconds. */
  readonly settledMs: number
}

/** Object stores accept a signed request for 15 minutes. */
export const SETTLING_TIME: SettlingTime = { firstMs: 2_000, settledMs: 16 * 60_000 }

export interface UnsettledChangesParts {
  readonly storage: Pick<StorageDriver, 'list' | 'get' | 'put' | 'delete'>
  /** Reads past all caches. */
  readonly registry: Registry
  readonly log: Log
  readonly timing?: SettlingTime | undefined
}

interface UnsettledChange {
  readonly event: RegistryEvent
  /** By this process's own clock. */
  readonly until: number
  lookAt: number
  pauseMs: number
  /** True if it is told, or needs not be. */
  isDone: boolean
}

/** Changes of unknown outcome that storage did not show: a request to a bucket that was given up may arrive later. They are kept on
 *  storage and looked for again, ever more rarely, until no request can arrive any more. */
export class UnsettledChanges {
  readonly #parts: UnsettledChangesParts
  readonly #timing: SettlingTime
  readonly #changes = new Map<string, UnsettledChange>()
  #isLoaded = false

  constructor(parts: UnsettledChangesParts) {
    this.#parts = parts
    this.#timing = parts.timing ?? SETTLING_TIME
  }

  /** Durable when the promise resolves. */
  async add(event: RegistryEvent): Promise<void> {
    await this.#parts.storage.put(pathOf(event.id), Buffer.from(encodeLine(event)))
    this.#begin(event)
  }

  /** A change that was announced later is told: one that would do the same needs not be. */
  supersede(told: RegistryEvent): void {
    for (const change of this.#changes.values()) if (isSameChange(change.event, told)) change.isDone = true
  }

  /** Looks for those whose time has come.
   *  @returns those that storage shows by now. They are returned once, and removed by `removeDone` */
  async arrived(): Promise<RegistryEvent[]> {
    await this.#load()
    const arrived: RegistryEvent[] = []
    for (const change of this.#changes.values()) {
      const now = performance.now()
      if (change.isDone || now < change.lookAt) continue
      const isThere = await this.#isThere(change.event)
      if (isThere) arrived.push(change.event)
      change.isDone = isThere === true || (isThere === false && now > change.until)
      change.lookAt = now + change.pauseMs
      change.pauseMs *= 2
    }
    return arrived
  }

  /** Removes those that are in the log, and those that will not happen any more. */
  async removeDone(): Promise<void> {
    for (const [id, { isDone }] of [...this.#changes]) {
      if (!isDone) continue
      await this.#parts.storage.delete(pathOf(id), { durable: false })
      this.#changes.delete(id)
    }
  }

  /** Undefined if storage does not answer. */
  async #isThere(event: RegistryEvent): Promise<boolean | undefined> {
    const { registry, log } = this.#parts
    try {
      return await hasHappened(event, { registry, later: [] })
    } catch (err) {
      log.warn({ err, event: event.id }, 'whether a change has happened late is not known yet')
      return undefined
    }
  }

  #begin(event: RegistryEvent): void {
    const { firstMs, settledMs } = this.#timing
    const now = performance.now()
    this.#changes.set(event.id, {
      ...{ event, until: now + settledMs, lookAt: now + firstMs, pauseMs: 2 * firstMs, isDone: false },
    })
  }

  /** Those of a process that looked before. Their time begins anew. */
  async #load(): Promise<void> {
    if (this.#isLoaded) return
    const { storage } = this.#parts
    for await (const { name } of storage.list(UNSETTLED)) {
      const [event] = decodeLines<RegistryEvent>(await storage.get(pathOf(name)))
      if (event !== undefined && !this.#changes.has(event.id)) this.#begin(event)
    }
    this.#isLoaded = true
  }
}

function pathOf(id: string): string {
  return `${UNSETTLED}/${id}`
}
