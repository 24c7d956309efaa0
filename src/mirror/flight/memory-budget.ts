/** What the flights of a process hold in memory together. A blob for which there is room needs no file on its
 *  way. */
export class MemoryBudget {
  readonly #maxBlobBytes: number
  #freeBytes: number

  constructor({ totalBytes, maxBlobBytes }: { totalBytes: number; maxBlobBytes: number }) {
    this.#freeBytes = totalBytes
    this.#maxBlobBytes = maxBlobBytes
  }

  /** True if it was taken, and is to be given back. */
  take(bytes: number): boolean {
    if (bytes > this.#maxBlobBytes || bytes > this.#freeBytes) return false
    this.#freeBytes -= bytes
    return true
  }

  giveBack(bytes: number): void {
    this.#freeBytes += bytes
  }
}
