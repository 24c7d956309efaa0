import { StorageError } from '../../../core/errors.ts'
import type { FileVersion, FileWriter, SyncOptions } from '../../../core/storage-driver.ts'
import { type GatherBudget, MIN_GATHERED_BYTES } from '../../object-store/gather-budget.ts'
import { versionOf } from '../blob-state.ts'
import { azureError } from '../errors.ts'
import type { AppendBlob } from './append-blob.ts'
import { BlockBuffer } from './block-buffer.ts'

/** Gathers written bytes in blocks and sends them one at a time, as the service requires, while the next one
 *  is gathered. With a caller that respects backpressure it holds two blocks (8 MiB, see
 *  `AppendBlob.blockBytes`) and one chunk in memory; smaller blocks while all uploads together exceed their
 *  budget. The first failure is final. Blocks that were sent stay, because an append blob can't be truncated.
 *
 *  If nothing is written, `sync` checks the blob, so that no outdated bytes are acknowledged; except for a
 *  file that is moved next, because the move checks it. */
export class BlobWriter implements FileWriter {
  readonly #blob: AppendBlob
  readonly #path: string
  readonly #budget: GatherBudget
  #blocks: BlockBuffer[] = []
  /** Length of the blob with all written bytes. */
  #size: number
  #sending: Promise<void> | undefined
  /** Number of callers that need everything sent, also a block that is not full. */
  #flushes = 0
  #syncing: Promise<void> | undefined
  #closing: Promise<void> | undefined
  #isClosed = false
  /** True if the caller moves the file next. */
  #isMovedNext = false
  #room: PromiseWithResolvers<void> | undefined
  #failure: StorageError | undefined

  constructor(blob: AppendBlob, { path, budget }: { path: string; budget: GatherBudget }) {
    this.#blob = blob
    this.#path = path
    this.#budget = budget
    this.#size = blob.size
  }

  get size(): number {
    return this.#size
  }

  get version(): FileVersion | undefined {
    return this.#isClosed ? versionOf(this.#blob.state) : undefined
  }

  write(chunk: Uint8Array): Promise<void> | undefined {
    if (this.#failure !== undefined || this.#closing !== undefined) return Promise.reject(this.#refusal())
    this.#gather(chunk)
    if (this.#isDue()) this.#sending ??= this.#send()
    return this.#sending !== undefined && this.#isAnyDue() ? this.#untilRoom() : undefined
  }

  sync({ dataOnly = false }: SyncOptions = {}): Promise<void> {
    if (this.#closing !== undefined) return Promise.reject(this.#refusal())
    this.#isMovedNext = dataOnly
    // Sequential, so that awaiting the last one awaits all.
    this.#syncing = Promise.allSettled([this.#syncing]).then(() => this.#flush())
    return this.#syncing
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async #close(): Promise<void> {
    await Promise.allSettled([this.#syncing])
    await this.#flush()
    this.#isClosed = true
  }

  #gather(chunk: Uint8Array): void {
    this.#size += chunk.byteLength
    for (let taken = 0; taken < chunk.byteLength; ) {
      const last = this.#blocks.at(-1)
      const isNew = last === undefined || last.isFull
      const block = isNew ? new BlockBuffer(this.#blob.blockBytes) : last
      if (isNew) this.#blocks.push(block)
      const { capacity } = block
      taken += block.take(chunk.subarray(taken))
      this.#budget.hold(block.capacity - capacity)
    }
  }

  /** Sends everything. After a failure this and all later calls fail. */
  async #flush(): Promise<void> {
    this.#flushes++
    try {
      while (this.#isDue() || this.#sending !== undefined) {
        this.#sending ??= this.#send()
        await this.#sending
      }
      if (this.#failure === undefined && !this.#isMovedNext) await this.#look()
    } finally {
      this.#flushes--
    }
    if (this.#failure !== undefined) throw this.#failure
  }

  /** Checks the blob. Never rejects, like `#send`. */
  async #look(): Promise<void> {
    try {
      await this.#blob.requireUnchanged()
    } catch (cause) {
      this.#failure = azureError(cause, this.#path)
    }
  }

  #isDue(): boolean {
    const [first] = this.#blocks
    return first !== undefined && (this.#flushes > 0 || this.#isToSend(first))
  }

  #isAnyDue(): boolean {
    return this.#blocks.some((block) => this.#isToSend(block))
  }

  #isToSend(block: BlockBuffer): boolean {
    if (block.isFull) return true
    return this.#budget.isExceeded && block.length >= MIN_GATHERED_BYTES && this.#blob.hasSpareBlocks
  }

  /** Sends the full blocks. Never rejects: a failure is kept for the caller's next call. */
  async #send(): Promise<void> {
    try {
      while (this.#isDue()) {
        await this.#sendBlock(this.#blocks.shift()!)
      }
    } catch (cause) {
      this.#failure = azureError(cause, this.#path)
      for (const { capacity } of this.#blocks.splice(0)) this.#budget.release(capacity)
      this.#size = this.#blob.size
    } finally {
      this.#sending = undefined
      this.#makeRoom()
    }
  }

  async #sendBlock({ bytes, capacity }: BlockBuffer): Promise<void> {
    try {
      if (!this.#isAnyDue()) this.#makeRoom()
      await this.#blob.append(bytes)
    } finally {
      this.#budget.release(capacity)
    }
  }

  #makeRoom(): void {
    if (this.#failure === undefined) this.#room?.resolve()
    else this.#room?.reject(this.#failure)
    this.#room = undefined
  }

  #untilRoom(): Promise<void> {
    this.#room ??= withoutWarning()
    return this.#room.promise
  }

  #refusal(): StorageError {
    return (
      this.#failure ??
      new StorageError('BACKEND_FAILED', { path: this.#path, message: 'the writer is closed' })
    )
  }
}

/** A promise whose rejection may stay unhandled. */
function withoutWarning(): PromiseWithResolvers<void> {
  const room = Promise.withResolvers<void>()
  room.promise.catch(() => undefined)
  return room
}
