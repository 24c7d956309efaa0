import type { Log } from '../../core/log.ts'

const INTERVAL_MS = 60_000

/** Logs a repeated failure at most once a minute, with the number of times. */
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
    this.#log.warn({ ...reasonOf(err), unreported: this.#unsaid }, this.#message)
    this.#saidAt = now
    this.#unsaid = 0
    this.#isSaid = true
  }

  /** Logs the end of a failure, if its begin was logged. */
  end(message: string): void {
    if (!this.#isSaid) return
    this.#isSaid = false
    this.#log.info({}, message)
  }
}

/** One line for an outage; with a stack for programming errors. */
function reasonOf(err: unknown): { reason: string } | { err: unknown } {
  if (err instanceof TypeError || err instanceof RangeError || err instanceof ReferenceError) return { err }
  if (err instanceof AggregateError && err.errors.length > 0)
    return { reason: err.errors.map(messageOf).join('; ') }
  return { reason: messageOf(err) }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message || error.name : String(error)
}
