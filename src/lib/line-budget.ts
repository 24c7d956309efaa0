export interface LineBudgetOptions {
  /** How many lines may come at once. */
  readonly burst: number
  readonly perSecond: number
}

/** Bounds how many lines of one kind a log gets, whatever strangers do. */
export class LineBudget {
  readonly #options: LineBudgetOptions
  #available: number
  #refilledAt = performance.now()
  #omitted = 0

  constructor(options: LineBudgetOptions) {
    this.#options = options
    this.#available = options.burst
  }

  /** How many lines were left out since the last one; undefined if this one is to be left out too. */
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
