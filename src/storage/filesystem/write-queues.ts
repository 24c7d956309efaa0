const MIB = 1024 * 1024

/** How much may wait to be written in one queue. */
const MAX_QUEUED_BYTES = 4 * MIB
/** The same while the queues together have more than their budget. */
const MIN_QUEUED_BYTES = 128 * 1024

/** The memory that all uploads share while their bytes wait to be written. Each may always have some of it, so that none waits for
 *  another. */
export class WriteQueues {
  readonly #maxBytes: number
  #bytes = 0

  /** @param options.maxBytes from which on each may hold little. Default: 48 MiB */
  constructor({ maxBytes = 48 * MIB }: { maxBytes?: number } = {}) {
    this.#maxBytes = maxBytes
  }

  /** @param byteCount negative for what waits no longer */
  add(byteCount: number): void {
    this.#bytes += byteCount
  }

  /** How much one queue may hold at the moment, in bytes. */
  get allowance(): number {
    return this.#bytes > this.#maxBytes ? MIN_QUEUED_BYTES : MAX_QUEUED_BYTES
  }
}
