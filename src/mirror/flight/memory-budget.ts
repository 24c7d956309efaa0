/** The memory that all flights of a process may use together. A blob that fits needs no spool file. */
export class MemoryBudget {
  readonly #maxBlobBytes: number
  #freeBytes: number

  constructor({ totalBytes, maxBlobBytes }: { totalBytes: number; maxBlobBytes: number }) {
    this.#freeBytes = totalBytes
    this.#maxBlobBytes = maxBlobBytes
  }

  /** True if the bytes were reserved; the caller returns them by `giveBack`. */
  take(bytes: number): boolean {
    if (bytes > this.#maxBlobBytes || bytes > this.#freeBytes) return false
    this.#freeBytes -= bytes
    return true
  }

  giveBack(bytes: number): void {
    this.#freeBytes += bytes
  }
}
