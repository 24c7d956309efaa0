import { StorageError } from '../../../core/errors.ts'
import type { FileVersion, FileWriter, SyncOptions } from '../../../core/storage-driver.ts'
import { type GatherBudget, MIN_GATHERED_BYTES } from '../../object-store/gather-budget.ts'
import { versionOf } from '../blob-state.ts'
import { azureError } from '../errors.ts'
import type { AppendBlob } from './append-blob.ts'
import { BlockBuffer } from './block-buffer.ts'

/** Sends what is written in blocks, one at a time, as the service wants it, while the next one is gathered. A caller that
 *  waits when it is asked to holds no more than two blocks in memory (8 MiB, see `AppendBlob.blockBytes`) and the
 *  chunk it writes, and smaller ones while all uploads together hold more than the budget. The first failure is final. What had been sent by then stays, also what no sync has covered: an append
 *  blob cannot be cut.
 *
 *  Where nothing is written, the blob is looked at, so that nobody is told of bytes that are others by now; but for a file
 *  that is moved next, for that tells. */
export class BlobWriter implements FileWriter {
  readonly #blob: AppendBlob
  readonly #path: string
  readonly #budget: GatherBudget
  #blocks: BlockBuffer[] = []
  /** How long the blob is with all that was written. */
  #size: number
  #sending: Promise<void> | undefined
  /** How many want all of it sent, also a block that is not full. */
  #flushes = 0
  #syncing: Promise<void> | undefined
  #closing: Promise<void> | undefined
  #isClosed = false
  /** True once the caller has said that it moves the file next. */
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
    // One after the other, so that whoever waits for the last has waited for all.
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

  /** After a failure a flush has failed, too, and so has everything that comes. */
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

  /** Never rejects, as `#send`. */
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

  /** Sends what is due, block by block. Never rejects: what fails is kept for the caller's next call. */
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

/** Nobody need wait for it. */
function withoutWarning(): PromiseWithResolvers<void> {
  const room = Promise.withResolvers<void>()
  room.promise.catch(() => undefined)
  return room
}
