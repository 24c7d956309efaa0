/** Buffers for reading, used again and again: memory that is fresh costs a page fault every 4 KiB, which is most of the
 *  time of a read from the page cache.
 *
 *  However many readers stall, what is lent stays near `maxLentBytes`: beyond it they get small buffers. */
export class BufferPool {
  readonly #maxLentBytes: number
  readonly #large: Buffer[] = []
  readonly #medium: Buffer[] = []
  #lentBytes = 0

  constructor({ maxLentBytes = 64 * MIB }: { maxLentBytes?: number } = {}) {
    this.#maxLentBytes = maxLentBytes
  }

  /** A buffer to read `byteCount` bytes into, or as many of them as it holds. Give it back when nothing reads into it
   *  any more and nobody looks at it. */
  take(byteCount: number): Buffer {
    if (byteCount < MEDIUM_BYTES) return Buffer.allocUnsafe(byteCount)
    const isShort = this.#lentBytes + LARGE_BYTES > this.#maxLentBytes
    const buffer = isShort
      ? (this.#medium.pop() ?? Buffer.allocUnsafeSlow(MEDIUM_BYTES))
      : (this.#large.pop() ?? Buffer.allocUnsafeSlow(LARGE_BYTES))
    this.#lentBytes += buffer.length
    return buffer
  }

  give(buffer: Buffer): void {
    if (buffer.length === LARGE_BYTES) this.#keep(buffer, this.#large)
    else if (buffer.length === MEDIUM_BYTES) this.#keep(buffer, this.#medium)
  }

  #keep(buffer: Buffer, free: Buffer[]): void {
    this.#lentBytes -= buffer.length
    if (free.length * buffer.length < MAX_FREE_BYTES) free.push(buffer)
  }
}

const MIB = 1024 * 1024
const LARGE_BYTES = 512 * 1024
const MEDIUM_BYTES = 64 * 1024
const MAX_FREE_BYTES = 16 * MIB
