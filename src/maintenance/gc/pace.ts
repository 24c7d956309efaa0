import { setTimeout as delay } from 'node:timers/promises'
import { RegistryError, StorageError } from '../../core/errors.ts'

const MAX_ATTEMPTS = 6
const FIRST_PAUSE_MS = 200
/** The pace after the storage has said for the first time that it is too busy, if there was no limit: 50 a second. */
const CAREFUL_INTERVAL_MS = 20
/** After so many requests that went well, it goes twice as fast again. */
const RECOVERY = 1_000

/** Lets so many requests a second pass, evenly; half as many each time the storage says that it is too busy. */
export class Pace {
  readonly #configuredMs: number
  #intervalMs: number
  #nextAt = 0
  #sinceBusy = 0

  /** @param perSecond 0 for as many as come */
  constructor(perSecond: number) {
    this.#configuredMs = perSecond === 0 ? 0 : 1000 / perSecond
    this.#intervalMs = this.#configuredMs
  }

  /** Milliseconds from one request to the next. */
  get intervalMs(): number {
    return this.#intervalMs
  }

  /** @param requests how many are made next */
  async take(requests = 1): Promise<void> {
    if (this.#intervalMs === 0) return
    const now = performance.now()
    const at = Math.max(now, this.#nextAt)
    this.#nextAt = at + requests * this.#intervalMs
    if (at > now) await delay(at - now)
  }

  /** A request that may be made again, which is done when the storage is too busy for it.
   *  @throws what it throws, in the end */
  async during<Result>(request: () => Promise<Result>): Promise<Result> {
    for (let attempt = 1; ; attempt++) {
      await this.take()
      try {
        const result = await request()
        this.#recover()
        return result
      } catch (error) {
        if (!isBusy(error) || attempt === MAX_ATTEMPTS) throw error
        this.#sinceBusy = 0
        this.#intervalMs = Math.max(2 * this.#intervalMs, CAREFUL_INTERVAL_MS)
        await delay(FIRST_PAUSE_MS * 2 ** (attempt - 1))
      }
    }
  }

  #recover(): void {
    if (this.#intervalMs === this.#configuredMs || ++this.#sinceBusy < RECOVERY) return
    this.#sinceBusy = 0
    const half = this.#intervalMs / 2
    this.#intervalMs = half < Math.max(this.#configuredMs, CAREFUL_INTERVAL_MS) ? this.#configuredMs : half
  }
}

function isBusy(error: unknown): boolean {
  if (error instanceof RegistryError) return error.code === 'UNAVAILABLE'
  return error instanceof StorageError && error.code === 'BUSY'
}
