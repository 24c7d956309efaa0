import { SharedMemory } from '../shared-memory/shared-memory.ts'
import { HashingWorker } from './hashing-worker.ts'

/** After its thread has failed, no other is started for so long. */
const RETRY_MS = 10_000

/** Computes SHA-256 in a thread of its own, which starts with the first hash. */
export class Hashing {
  /** For bytes that are to be hashed. Others are copied. */
  readonly memory = new SharedMemory()
  readonly #onFailure: (error: Error) => void
  #worker: HashingWorker | undefined
  #mayStart = true

  /** @param onFailure called if the thread ends by itself; its hashes are lost then */
  constructor(onFailure: (error: Error) => void) {
    this.#onFailure = onFailure
  }

  /** Begins a hash; undefined if there is no thread. */
  begin(): ThreadedHash | undefined {
    if (this.#worker === undefined && this.#mayStart)
      this.#worker = new HashingWorker((error) => this.#failed(error))
    return this.#worker && new ThreadedHash(this.#worker)
  }

  async close(): Promise<void> {
    this.#mayStart = false
    const worker = this.#worker
    this.#worker = undefined
    await worker?.close()
  }

  #failed(error: Error): void {
    this.#worker = undefined
    if (!this.#mayStart) return
    this.#mayStart = false
    const retry = () => {
      this.#mayStart = true
    }
    setTimeout(retry, RETRY_MS).unref()
    this.#onFailure(error)
  }
}

/** A hash that is computed in another thread. */
export class ThreadedHash {
  readonly #worker: HashingWorker
  readonly #number: number
  #hasEnded = false

  /** Begins it. */
  constructor(worker: HashingWorker) {
    this.#worker = worker
    this.#number = worker.begin(this)
  }

  /** Adds bytes; what follows is lost with the thread.
   *  @returns a promise if the caller must wait before it adds more */
  update(bytes: Uint8Array): Promise<void> | undefined {
    return this.#hasEnded ? undefined : this.#worker.update(this.#number, bytes)
  }

  /** The digest of the bytes so far, in hexadecimal; more may follow. Undefined if it is lost. */
  digest(): Promise<string | undefined> {
    return this.#hasEnded ? Promise.resolve(undefined) : this.#worker.digest(this.#number)
  }

  /** Gives it up. */
  end(): void {
    if (this.#hasEnded) return
    this.#hasEnded = true
    this.#worker.end(this.#number, this)
  }
}
