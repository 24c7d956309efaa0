/** Reusable read buffers: fresh memory costs a page fault every 4 KiB, which is most of the time of a read
 *  from the page cache.
 *
 *  All transfers of a driver share a budget. No transfer waits for it, because readers may stall without
 *  limit: the more is lent, the smaller the buffers are. Some thousand stalled readers hold 10 to 20 KiB
 *  each. */
export class BufferPool {
  readonly #maxLentBytes: number
  readonly #largeBytes: number
  readonly #free: ReadonlyMap<number, Buffer[]>
  #lentBytes = 0

  /** Creates a pool.
   *  @param options.maxLentBytes the budget for large buffers; up to half as much again they are of medium
   *    size
   *  @param options.largeBytes size of a large buffer */
  constructor({ maxLentBytes = 40 * MIB, largeBytes = MIB / 2 } = {}) {
    this.#maxLentBytes = maxLentBytes
    this.#largeBytes = largeBytes
    this.#free = new Map([largeBytes, MEDIUM_BYTES, SMALL_BYTES].map((size) => [size, []]))
  }

  /** A buffer for `byteCount` bytes, or fewer. Return it once no read into it is under way and its content is
   *  not used any more. */
  take(byteCount: number): Buffer {
    const size = this.#sizeNow()
    // A large buffer would be mostly empty.
    const buffer =
      byteCount < Math.min(size, MEDIUM_BYTES)
        ? Buffer.allocUnsafe(byteCount)
        : (this.#free.get(size)?.pop() ?? Buffer.allocUnsafeSlow(size))
    this.#lentBytes += buffer.length
    return buffer
  }

  give(buffer: Buffer): void {
    this.#lentBytes -= buffer.length
    const free = this.#free.get(buffer.length)
    if (free !== undefined && free.length * buffer.length < MAX_FREE_BYTES) free.push(buffer)
  }

  #sizeNow(): number {
    if (this.#lentBytes + this.#largeBytes <= this.#maxLentBytes) return this.#largeBytes
    return this.#lentBytes + MEDIUM_BYTES <= 1.5 * this.#maxLentBytes ? MEDIUM_BYTES : SMALL_BYTES
  }
}

const MIB = 1024 * 1024
const MEDIUM_BYTES = 64 * 1024
const SMALL_BYTES = 8 * 1024
const MAX_FREE_BYTES = 16 * MIB
