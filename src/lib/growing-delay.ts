/** Delays before something is tried again: doubled with each failure in a row. */
export class GrowingDelay {
  readonly #first: number
  readonly #longest: number
  #failures = 0

  /** @param limits in milliseconds */
  constructor({ first, longest }: { readonly first: number; readonly longest: number }) {
    this.#first = first
    this.#longest = longest
  }

  /** The delay after one more failure. */
  next(): number {
    return Math.min(this.#first * 2 ** this.#failures++, this.#longest)
  }

  /** After a success the first delay comes next. */
  reset(): void {
    this.#failures = 0
  }
}
