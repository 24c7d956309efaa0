/** The memory in which all uploads of a process gather bytes. Uploads never wait for it: while it is exceeded
 *  they send earlier, in smaller requests. */
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
