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
    this.#log.warn({ ...reasonOf(err), unreported: this.#unsaid }, this.#message)
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

/** An outage is one line. The place in the code is told of what is a mistake in it. */
function reasonOf(err: unknown): { reason: string } | { err: unknown } {
  if (err instanceof TypeError || err instanceof RangeError || err instanceof ReferenceError) return { err }
  if (err instanceof AggregateError && err.errors.length > 0)
    return { reason: err.errors.map(messageOf).join('; ') }
  return { reason: messageOf(err) }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message || error.name : String(error)
}
