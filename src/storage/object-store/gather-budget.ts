/** The memory in which all uploads of a process gather bytes before they send them. Nobody waits for it: an
 *  upload sends earlier than it would, in smaller requests, while the budget is exceeded. */
export class GatherBudget {
  readonly #maxBytes: number
  #heldBytes = 0

  /** @param maxBytes default: any */
  constructor(maxBytes = Number.POSITIVE_INFINITY) {
    this.#maxBytes = maxBytes
  }

  get heldBytes(): number {
    return this.#heldBytes
  }

  get isExceeded(): boolean {
    return this.#heldBytes > this.#maxBytes
  }

  hold(bytes: number): void {
    this.#heldBytes += bytes
  }

  release(bytes: number): void {
    this.#heldBytes -= bytes
  }
}

/** Bytes that an upload gathers at least before it sends them early. */
export const MIN_GATHERED_BYTES = 256 * 1024
