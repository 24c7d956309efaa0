import type { Target } from './backlog.ts'
import type { IngestWorker } from './ingest-worker.ts'

/** A hash that is computed in another thread. */
export class ThreadedHash {
  readonly #worker: IngestWorker
  readonly #target: Target
  #hasEnded = false

  /** Begins it. */
  constructor(worker: IngestWorker) {
    this.#worker = worker
    this.#target = worker.beginHash(this)
  }

  /** Adds bytes; what follows is lost with the thread.
   *  @returns a promise if the caller must wait before it adds more */
  update(bytes: Uint8Array): Promise<void> | undefined {
    return this.#hasEnded ? undefined : this.#worker.hash(this.#target, bytes)
  }

  /** The digest of the bytes so far, in hexadecimal; more may follow. Undefined if it is lost. */
  digest(): Promise<string | undefined> {
    return this.#hasEnded ? Promise.resolve(undefined) : this.#worker.digest(this.#target)
  }

  /** Gives it up. */
  end(): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.#worker.endHash(this.#target, this)
  }
}
