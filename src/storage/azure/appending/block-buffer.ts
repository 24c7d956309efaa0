const FIRST_BYTES = 64 * 1024
const GROWTH = 4

/** Gathers bytes for one request, in a buffer that grows up to the limit. */
export class BlockBuffer {
  readonly #maxBytes: number
  #memory: Buffer = Buffer.alloc(0)
  #length = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  get isFull(): boolean {
    return this.#length === this.#maxBytes
  }

  get length(): number {
    return this.#length
  }

  /** Bytes of memory that it takes. */
  get capacity(): number {
    return this.#memory.length
  }

  get bytes(): Buffer {
    return this.#memory.subarray(0, this.#length)
  }

  /** Adds the beginning of a chunk.
   *  @returns number of bytes that were added */
  take(chunk: Uint8Array): number {
    const taken = Math.min(chunk.byteLength, this.#maxBytes - this.#length)
    if (this.#length + taken > this.#memory.length) this.#grow(this.#length + taken)
    this.#memory.set(chunk.subarray(0, taken), this.#length)
    this.#length += taken
    return taken
  }

  #grow(needed: number): void {
    const wanted = Math.max(needed, FIRST_BYTES, this.#memory.length * GROWTH)
    const larger = Buffer.allocUnsafeSlow(Math.min(wanted, this.#maxBytes))
    this.bytes.copy(larger)
    this.#memory = larger
  }
}
