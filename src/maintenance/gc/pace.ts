import { setTimeout as delay } from 'node:timers/promises'

/** Lets so many requests a second pass, evenly. */
export class Pace {
  readonly #intervalMs: number
  #nextAt = 0

  /** @param perSecond 0 for as many as come */
  constructor(perSecond: number) {
    this.#intervalMs = perSecond === 0 ? 0 : 1000 / perSecond
  }

  /** @param requests how many are made next */
  async take(requests = 1): Promise<void> {
    if (this.#intervalMs === 0) return
    const now = performance.now()
    const at = Math.max(now, this.#nextAt)
    this.#nextAt = at + requests * this.#intervalMs
    if (at > now) await delay(at - now)
  }
}
