export interface LineBudgetOptions {
  /** Size of a burst, in lines. */
  readonly burst: number
  readonly perSecond: number
}

/** Limits the log lines of one kind, which clients may cause. */
export class LineBudget {
  readonly #options: LineBudgetOptions
  #available: number
  #refilledAt = performance.now()
  #omitted = 0

  constructor(options: LineBudgetOptions) {
    this.#options = options
    this.#available = options.burst
  }

  /** The number of lines suppressed since the last one; undefined if this one must be suppressed too. */
  take(): number | undefined {
    const { burst, perSecond } = this.#options
    const now = performance.now()
    this.#available = Math.min(burst, this.#available + ((now - this.#refilledAt) / 1000) * perSecond)
    this.#refilledAt = now
    if (this.#available < 1) {
      this.#omitted += 1
      return undefined
    }
    this.#available -= 1
    const omitted = this.#omitted
    this.#omitted = 0
    return omitted
  }
}
