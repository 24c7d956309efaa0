import type { Log } from '../../core/log.ts'

const INTERVAL_MS = 60_000

/** Says that something fails, at most once a minute however often it does, and with how often it did. */
export class OccasionalWarning {
  readonly #log: Log
  readonly #message: string
  #saidAt = Number.NEGATIVE_INFINITY
  #unsaid = 0
  #isSaid = false

  constructor(log: Log, message: string) {
    this.#log = log
    this.#message = message
  }

  warn(err: unknown): void {
    const now = performance.now()
    if (now - this.#saidAt < INTERVAL_MS) {
      this.#unsaid++
      return
    }
    this.#log.warn({ err, unreported: this.#unsaid }, this.#message)
    this.#saidAt = now
    this.#unsaid = 0
    this.#isSaid = true
  }

  /** Says that it is over, where it was said that it began. */
  end(message: string): void {
    if (!this.#isSaid) return
    this.#isSaid = false
    this.#log.info({}, message)
  }
}
