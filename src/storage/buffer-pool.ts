/** Reusable read buffers: fresh memory costs a page fault every 4 KiB, which is most of the time of a read
 *  from the page cache.
 *
 *  All transfers of a driver share a budget. No transfer waits for it, because readers may stall without
 *  limit: the more is lent, the smaller the buffers are. Some thousand stalled readers hold 10 to 20 KiB
 *  each. */
export class BufferPool {
  readonly #maxLentBytes: number
  readonly #free = new Map<number, Buffer[]>(
    [LARGEST_BYTES, LARGE_BYTES, MEDIUM_BYTES, SMALL_BYTES].map((size) => [size, []]),
  )
  #lentBytes = 0

  /** Creates a pool.
   *  @param options.maxLentBytes the budget for large buffers; up to half as much again they are of medium
   *    size */
  constructor({ maxLentBytes = 40 * MIB }: { maxLentBytes?: number } = {}) {
    this.#maxLentBytes = maxLentBytes
  }

  /** A buffer for `byteCount` bytes, or fewer. Return it once no read into it is under way and its content is
   *  not used any more. */
  take(byteCount: number): Buffer {
    const size = this.#sizeFor(byteCount)
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

  #sizeFor(byteCount: number): number {
    // Who fits into one is better received in two parts, of which one is sent while the other is read.
    if (byteCount > LARGEST_BYTES && this.#lentBytes + LARGEST_BYTES <= this.#maxLentBytes / 2)
      return LARGEST_BYTES
    if (this.#lentBytes + LARGE_BYTES <= this.#maxLentBytes) return LARGE_BYTES
    return this.#lentBytes + MEDIUM_BYTES <= 1.5 * this.#maxLentBytes ? MEDIUM_BYTES : SMALL_BYTES
  }
}

const MIB = 1024 * 1024
/** The more one read takes, the less often threads and processes wake each other, which is much of the time of a large body. */
export const LARGEST_BYTES = MIB
const LARGE_BYTES = 512 * 1024
const MEDIUM_BYTES = 64 * 1024
const SMALL_BYTES = 8 * 1024
const MAX_FREE_BYTES = 16 * MIB
