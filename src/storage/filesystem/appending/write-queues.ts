const MIB = 1024 * 1024

/** Limit of one queue. */
const MAX_QUEUED_BYTES = 2 * MIB
/** Limit of one queue while all queues together exceed their budget. */
const MIN_QUEUED_BYTES = 128 * 1024

/** The memory that all uploads share for bytes to be written. Each may always use some of it, so that none
 *  waits for another. */
export class WriteQueues {
  readonly #maxBytes: number
  #bytes = 0

  /** Creates an empty budget.
   *  @param options.maxBytes the budget. Default: 12 MiB */
  constructor({ maxBytes = 12 * MIB }: { maxBytes?: number } = {}) {
    this.#maxBytes = maxBytes
  }

  /** Adds to the queued bytes.
   *  @param byteCount negative for bytes that left the queue */
  add(byteCount: number): void {
    this.#bytes += byteCount
  }

  /** The present limit of one queue, in bytes. */
  get allowance(): number {
    return this.#bytes > this.#maxBytes ? MIN_QUEUED_BYTES : MAX_QUEUED_BYTES
  }
}
