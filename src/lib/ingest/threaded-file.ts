import type { Target } from './backlog.ts'
import type { IngestWorker } from './ingest-worker.ts'

export interface ThreadedFileOptions {
  readonly descriptor: number
  /** Where the bytes go. */
  readonly position: number
  /** Called at most once. Nothing is written after a failure. */
  readonly onFailure: (failure: Error) => void
}

/** A file that another thread writes. */
export class ThreadedFile {
  readonly #worker: IngestWorker
  readonly #target: Target

  constructor(worker: IngestWorker, { descriptor, position, onFailure }: ThreadedFileOptions) {
    this.#worker = worker
    this.#target = worker.openFile(descriptor, position, onFailure)
  }

  /** Appends bytes.
   *  @returns a promise if the caller must wait before it writes more */
  write(bytes: Uint8Array): Promise<void> | undefined {
    return this.#worker.write(this.#target, bytes)
  }

  /** Resolves once the thread does nothing more with the file: the bytes are written, or the file has failed. */
  settle(): Promise<void> {
    return this.#worker.settle()
  }

  /** Ends writing. The descriptor is not closed. */
  end(): void {
    this.#worker.endFile(this.#target)
  }
}
