import { SharedMemory } from '../shared-memory/shared-memory.ts'
import { IngestWorker } from './ingest-worker.ts'
import { ThreadedFile, type ThreadedFileOptions } from './threaded-file.ts'
import { ThreadedHash } from './threaded-hash.ts'

/** After its thread has failed, no other is started for so long. */
const RETRY_MS = 10_000

/** Takes in bytes in a thread of its own: computes their SHA-256 and writes them to files. Bytes that are hashed and written one after the other
 *  are written from the processor's cache. The thread starts when it is first needed. */
export class Ingest {
  /** For bytes that are to be taken in. Others are copied. */
  readonly memory = new SharedMemory()
  readonly #onFailure: (error: Error) => void
  #worker: IngestWorker | undefined
  #mayStart = true

  /** @param onFailure called if the thread ends by itself; its hashes are lost then, and its files fail */
  constructor(onFailure: (error: Error) => void) {
    this.#onFailure = onFailure
  }

  /** Begins a hash; undefined if there is no thread. */
  beginHash(): ThreadedHash | undefined {
    const worker = this.#running()
    return worker && new ThreadedHash(worker)
  }

  /** Opens a file for writing, with a descriptor that must stay open until the file has settled; undefined if there is no thread. */
  openFile(options: ThreadedFileOptions): ThreadedFile | undefined {
    const worker = this.#running()
    return worker && new ThreadedFile(worker, options)
  }

  async close(): Promise<void> {
    this.#mayStart = false
    const worker = this.#worker
    this.#worker = undefined
    await worker?.close()
  }

  #running(): IngestWorker | undefined {
    if (this.#worker === undefined && this.#mayStart)
      this.#worker = new IngestWorker((error) => this.#failed(error))
    return this.#worker
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
