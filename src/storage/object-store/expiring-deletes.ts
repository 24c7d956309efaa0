import { randomUUID } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import pLimit from 'p-limit'
import { StorageError } from '../../core/errors.ts'
import { FENCE_LIFETIME_MS, type Fence, type FenceOptions } from '../../core/storage-driver.ts'
import { settleAll } from '../../lib/settle-all.ts'

/** The validity of a signed request, by the store's clock. Whole seconds. */
export interface Validity {
  readonly from: Date
  readonly until: Date
}

/** The outcome of a request that may have expired. */
export type DeleteOutcome =
  /** The object was removed. */
  | 'deleted'
  /** The store has rejected the request as expired. */
  | 'expired'
  /** Unknown. It may still be carried out until it expires. */
  | 'unknown'

export interface ExpiringDeletesParts {
  /** The store's clock, from the header of a response. */
  readonly now: () => Promise<Date>
  /** Sends one request without retries, which the store rejects outside of its validity.
   *  @throws errors for the driver to map, if the store has rejected it for another reason */
  readonly send: (key: string, validity: Validity) => Promise<DeleteOutcome>
  /** The same for several keys in one request. Undefined if the service has no such request. */
  readonly batch?: BatchDeletes
  /** The capability that the store lacks, for messages; undefined if none. Called once. */
  readonly findMissing: () => Promise<string | undefined>
}

export interface BatchDeletes {
  /** `undefined` if the store has kept some of the objects: then they are removed one by one.
   *  @throws errors for the driver to map, if the store has rejected it for another reason */
  readonly send: (keys: readonly string[], validity: Validity) => Promise<DeleteOutcome | undefined>
  /** True if the store honours its validity. Called once, after `findMissing`. */
  readonly isHonoured: () => Promise<boolean>
}

/** Keys in one request: few enough that the store comes to their end within the margin. */
const BATCH_SIZE = 100

/** Time limit from the store's check of a signature to the end of the request. */
const MARGIN_MS = 10_000
const CONCURRENCY = 32
const MAX_ATTEMPTS = 4
const FIRST_PAUSE_MS = 100

/** Fences of object stores: delete requests with signatures of short validity, sent without retries. A fence
 *  is the end of that validity, so closing it means waiting for that time. */
export class ExpiringDeletes {
  readonly #parts: ExpiringDeletesParts
  readonly #inTurn = pLimit(CONCURRENCY)
  #missing: Promise<string | undefined> | undefined
  #honoursBatches: Promise<boolean> | undefined
  /** This process's open fences, with the number of requests that are running or have an unknown outcome. */
  readonly #unsettled = new Map<Fence, number>()

  constructor(parts: ExpiringDeletesParts) {
    this.#parts = parts
  }

  /** Opens a fence.
   *  @throws StorageError UNSUPPORTED */
  async open({ lifetimeMs = FENCE_LIFETIME_MS }: FenceOptions = {}): Promise<Fence> {
    this.#missing ??= this.#parts.findMissing()
    const missing = await this.#missing.catch((cause) => {
      this.#missing = undefined
      throw cause
    })
    if (missing !== undefined) throw new StorageError('UNSUPPORTED', { path: '/', message: missing })
    const from = await this.#parts.now()
    const start = Math.floor(from.getTime() / 1000)
    const end = start + Math.max(1, Math.floor(lifetimeMs / 1000))
    const fence = `${start}-${end}-${randomUUID()}`
    this.#unsettled.set(fence, 0)
    return fence
  }

  /** Removes objects.
   *  @throws StorageError FENCE_CLOSED, BUSY; errors of `send` */
  async delete(keys: readonly string[], fence: Fence): Promise<void> {
    const validity = validityOf(fence)
    this.#count(fence, 1)
    const { batch } = this.#parts
    if (batch !== undefined && keys.length > 1 && (await this.#isBatchHonoured(batch))) {
      const starts = Array.from(
        { length: Math.ceil(keys.length / BATCH_SIZE) },
        (_, index) => index * BATCH_SIZE,
      )
      const work = (start: number) =>
        this.#deleteSome(keys.slice(start, start + BATCH_SIZE), { fence, validity, batch })
      await settleAll(starts.map((start) => this.#inTurn(() => work(start))))
    } else await this.#deleteEach(keys, { fence, validity })
    this.#count(fence, -1)
  }

  #isBatchHonoured(batch: BatchDeletes): Promise<boolean> {
    this.#honoursBatches ??= batch.isHonoured().catch((cause) => {
      this.#honoursBatches = undefined
      throw cause
    })
    return this.#honoursBatches
  }

  async #deleteEach(keys: readonly string[], parts: { fence: Fence; validity: Validity }): Promise<void> {
    await settleAll(keys.map((key) => this.#inTurn(() => this.#deleteOne(key, parts))))
  }

  async #deleteSome(
    keys: readonly string[],
    { fence, validity, batch }: { fence: Fence; validity: Validity; batch: BatchDeletes },
  ): Promise<void> {
    const send = () => batch.send(keys, validity)
    if ((await this.#repeat(send, { fence, what: `${keys.length} objects` })) !== 'deleted')
      for (const key of keys) await this.#deleteOne(key, { fence, validity })
  }

  async close(fence: Fence): Promise<void> {
    const unsettled = this.#unsettled.get(fence)
    this.#unsettled.delete(fence)
    if (unsettled === 0) return
    const end = validityOf(fence).until.getTime() + MARGIN_MS
    for (;;) {
      const left = end - (await this.#parts.now()).getTime()
      if (left < 0) return
      await delay(Math.min(left + 1000, MARGIN_MS))
    }
  }

  /** Changes the number of a fence's requests.
   *  @throws StorageError FENCE_CLOSED, also if this process has closed it */
  #count(fence: Fence, change: number): void {
    const unsettled = this.#unsettled.get(fence)
    if (unsettled === undefined) throw closed()
    this.#unsettled.set(fence, unsettled + change)
  }

  async #deleteOne(key: string, { fence, validity }: { fence: Fence; validity: Validity }): Promise<void> {
    await this.#repeat(() => this.#parts.send(key, validity), { fence, what: key })
  }

  /** Sends a request until its outcome is known.
   *  @throws StorageError FENCE_CLOSED, BUSY */
  async #repeat(
    send: () => Promise<DeleteOutcome | undefined>,
    { fence, what }: { fence: Fence; what: string },
  ): Promise<'deleted' | undefined> {
    for (let attempt = 1; ; attempt++) {
      if (!this.#unsettled.has(fence)) throw closed()
      const outcome = await send()
      if (outcome === 'expired') throw closed()
      if (outcome !== 'unknown') return outcome
      if (attempt === MAX_ATTEMPTS) {
        throw new StorageError('BUSY', {
          path: '/',
          message: `it is unknown if ${what} was removed`,
        })
      }
      await delay(FIRST_PAUSE_MS * 2 ** attempt)
    }
  }
}

function closed(): StorageError {
  return new StorageError('FENCE_CLOSED', { path: '/' })
}

function validityOf(fence: Fence): Validity {
  const [from, until] = /^\d+-\d+-/.test(fence) ? fence.split('-', 2).map(Number) : []
  if (from === undefined || until === undefined) throw closed()
  return { from: new Date(from * 1000), until: new Date(until * 1000) }
}
