import { StorageError } from '../../../core/errors.ts'
import type { FileVersion, FileWriter, SyncOptions } from '../../../core/storage-driver.ts'
import { freeMemoryOf } from '../../../lib/free-memory.ts'
import type { Ingest } from '../../../lib/ingest/ingest.ts'
import type { ThreadedFile } from '../../../lib/ingest/threaded-file.ts'
import { slabOf } from '../../../lib/shared-memory/slab.ts'
import { fdatasync, ftruncate } from '../calls/descriptors.ts'
import type { FileCalls } from '../calls/file-calls.ts'
import { isErrno, writeError } from '../errno.ts'
import type { Folders } from '../folders.ts'
import type { FileToAppend } from './appended-files.ts'
import type { WriteQueues } from './write-queues.ts'

const MIB = 1024 * 1024
/** Chunks wait until this many bytes are written together: a trip to the thread pool for each chunk costs more
 *  than writing it. */
const MIN_BATCH_BYTES = MIB / 2
const MAX_BATCH_BYTES = MIB
/** Fewer bytes are not worth the thread. */
const MIN_THREADED_BYTES = MIB / 4
/** Limit of waiting chunks: small ones use more memory than their bytes. */
const MAX_QUEUED_CHUNKS = 4096
/** Bytes between two starts of write-back. */
const WRITE_BACK_BYTES = 16 * MIB

/** Writes in the background and in batches: the caller goes on (hashing, receiving) while chunks are written,
 *  and its next call reports a failure. Chunks in memory that threads share are left to the thread that has
 *  just hashed them. The first failure is final, and the file is truncated to its last synced length. */
export class AppendingWriter implements FileWriter {
  readonly #file: FileToAppend
  readonly #folders: Folders
  readonly #calls: FileCalls
  readonly #queues: WriteQueues
  readonly #ingest: Ingest | undefined
  /** End of the bytes that are written, or left to the thread. */
  #position: number
  /** End of the bytes that may have been acknowledged. */
  #safeSize: number
  #queue: Uint8Array[] = []
  /** Bytes in the queue. */
  #waitingBytes = 0
  /** Bytes in the queue or being written. */
  #queuedBytes = 0
  /** End of the bytes whose write-back was started. */
  #writtenBack: number
  #writingBack: Promise<void> | undefined
  #flushing: Promise<void> | undefined
  #threaded: ThreadedFile | undefined
  #isSettled = true
  #syncing: Promise<void> | undefined
  #naming: Promise<void> | undefined
  #discarding: Promise<void> | undefined
  #closing: Promise<void> | undefined
  #isClosed = false
  #isAlone = false
  #room: { promise: Promise<void>; settle: () => void } | undefined
  #failure: StorageError | undefined

  constructor(
    file: FileToAppend,
    {
      folders,
      calls,
      queues,
      ingest,
    }: { folders: Folders; calls: FileCalls; queues: WriteQueues; ingest: Ingest | undefined },
  ) {
    this.#ingest = ingest
    this.#calls = calls
    this.#file = file
    this.#folders = folders
    this.#queues = queues
    this.#position = file.size
    this.#safeSize = file.syncedSize
    this.#writtenBack = file.size
  }

  get size(): number {
    return this.#position + this.#queuedBytes
  }

  get version(): FileVersion | undefined {
    return this.#isClosed ? this.#file.version : undefined
  }

  write(chunk: Uint8Array): Promise<void> | undefined {
    if (this.#failure !== undefined || this.#closing !== undefined) return Promise.reject(this.#refusal())
    if (chunk.byteLength > 0) {
      this.#queue.push(chunk)
      this.#waitingBytes += chunk.byteLength
      this.#count(chunk.byteLength)
      if (this.#isForThread(chunk)) return this.#leaveToThread()
      if (this.#isWorthWriting()) this.#flushing ??= this.#flush()
    }
    return this.#isFull() ? this.#untilRoom() : undefined
  }

  sync({ dataOnly = false }: SyncOptions = {}): Promise<void> {
    if (this.#closing !== undefined) return Promise.reject(this.#refusal())
    // Sequential, so that awaiting the last one awaits all.
    this.#syncing = Promise.allSettled([this.#syncing]).then(() => this.#sync(!dataOnly))
    return this.#syncing
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  /** Writes until little waits, or nothing. Never rejects: a failure is kept for the caller's next call. */
  async #flush({ all = false } = {}): Promise<void> {
    try {
      while (all ? this.#queue.length > 0 : this.#isWorthWriting()) await this.#writeBatch()
    } catch (cause) {
      this.#fail(cause)
    } finally {
      this.#flushing = undefined
    }
  }

  #isForThread(chunk: Uint8Array): boolean {
    if (this.#threaded !== undefined) return true
    if (this.#waitingBytes <= MIN_THREADED_BYTES || this.#flushing || !slabOf(chunk)) return false
    this.#threaded = this.#ingest?.openFile({
      descriptor: this.#file.fd,
      position: this.#position,
      onFailure: (failure) => this.#fail(failure),
    })
    return this.#threaded !== undefined
  }

  /** @returns as of `write` */
  #leaveToThread(): Promise<void> | undefined {
    let room: Promise<void> | undefined
    for (const chunk of this.#queue.splice(0)) {
      room = this.#threaded?.write(chunk)
      freeMemoryOf(chunk)
    }
    this.#isSettled = false
    this.#position += this.#waitingBytes
    this.#count(-this.#waitingBytes)
    this.#waitingBytes = 0
    this.#keepWritingBack()
    return room?.then(() => this.#throwIfFailed())
  }

  async #settleThread(): Promise<void> {
    if (this.#isSettled) return
    this.#isSettled = true
    await this.#threaded?.settle()
  }

  async #writeBatch(): Promise<void> {
    const { chunks, byteCount } = this.#nextBatch()
    await this.#calls.write(this.#file.fd, chunks, this.#position)
    for (const chunk of chunks) freeMemoryOf(chunk)
    if (this.#failure !== undefined) return
    this.#position += byteCount
    this.#count(-byteCount)
    if (!this.#isFull()) this.#room?.settle()
    this.#keepWritingBack()
  }

  #keepWritingBack(): void {
    if (this.#position - this.#writtenBack >= WRITE_BACK_BYTES) this.#writingBack ??= this.#writeBack()
  }

  /** Starts write-back of the bytes so far, so that the final sync has less to do. Never rejects, like
   *  `#flush`. */
  async #writeBack(): Promise<void> {
    this.#writtenBack = this.#position
    try {
      await fdatasync(this.#file.fd)
    } catch (cause) {
      this.#fail(cause)
    } finally {
      this.#writingBack = undefined
    }
  }

  /** Takes chunks from the queue; they count as queued until they are written. */
  #nextBatch(): { chunks: Uint8Array[]; byteCount: number } {
    let byteCount = 0
    let chunkCount = 0
    for (const chunk of this.#queue) {
      if (chunkCount > 0 && byteCount + chunk.byteLength > MAX_BATCH_BYTES) break
      byteCount += chunk.byteLength
      chunkCount++
    }
    this.#waitingBytes -= byteCount
    return { chunks: this.#queue.splice(0, chunkCount), byteCount }
  }

  /** @param name false if the file is moved next: the move fails if it has lost its name */
  async #sync(name: boolean): Promise<void> {
    await this.#backgroundWork()
    this.#throwIfFailed()
    const outcomes = await Promise.allSettled([
      fdatasync(this.#file.fd),
      name ? this.#syncName() : undefined,
      name ? this.#requireOwn() : this.#requireAlone(),
    ])
    for (const outcome of outcomes) {
      if (outcome.status === 'rejected') this.#fail(outcome.reason)
    }
    await this.#backgroundWork()
    this.#throwIfFailed()
    this.#safeSize = this.#writtenBack = this.#position
  }

  /** Once is enough: this writer does not change the name again. */
  #syncName(): Promise<void> {
    this.#naming ??= this.#folders.secure(this.#file.folder)
    return this.#naming
  }

  /** Checks that the file has still its name: no writer has taken it over, and no other file existed
   *  before. */
  async #requireOwn(): Promise<void> {
    const { location, path } = this.#file
    await this.#requireAlone()
    await this.#calls.stat(location).catch((cause) => {
      throw isErrno(cause, 'ENOENT', 'ENOTDIR') ? new StorageError('OFFSET_INVALID', { path }) : cause
    })
  }

  async #requireAlone(): Promise<void> {
    if (!this.#isAlone) await this.#file.requireAlone?.()
    this.#isAlone = true
  }

  async #close(): Promise<void> {
    await this.#syncing?.catch(() => undefined)
    await this.#backgroundWork()
    this.#threaded?.end()
    try {
      await this.#calls.close(this.#file.fd, this.#position)
      if (this.#failure === undefined) await this.#requireAlone()
    } catch (cause) {
      this.#fail(cause)
    }
    this.#throwIfFailed()
    this.#isClosed = true
  }

  #fail(cause: unknown): void {
    this.#failure ??= writeError(cause, this.#file.path)
    this.#queue = []
    this.#waitingBytes = 0
    this.#count(-this.#queuedBytes)
    this.#position = this.#safeSize
    this.#room?.settle()
  }

  /** Resolves once no write is running and, after a failure, the file is truncated. In that order, because a
   *  running write would extend the file again. */
  async #backgroundWork(): Promise<void> {
    await this.#flushing
    if (this.#queue.length > 0) this.#flushing ??= this.#flush({ all: true })
    await this.#flushing
    await this.#settleThread()
    await this.#writingBack
    if (this.#failure !== undefined) this.#discarding ??= this.#discard()
    await this.#discarding
  }

  /** Truncates the file, at most once, because it may be another writer's afterwards. Errors are ignored: an
   *  earlier one is reported. */
  async #discard(): Promise<void> {
    await ftruncate(this.#file.fd, this.#safeSize).catch(() => undefined)
  }

  #refusal(): StorageError {
    const { path } = this.#file
    return this.#failure ?? new StorageError('BACKEND_FAILED', { path, message: 'the writer is closed' })
  }

  #throwIfFailed(): void {
    if (this.#failure !== undefined) throw this.#failure
  }

  #count(byteCount: number): void {
    this.#queuedBytes += byteCount
    this.#queues.add(byteCount)
  }

  #isWorthWriting(): boolean {
    return this.#waitingBytes >= MIN_BATCH_BYTES || this.#isFull()
  }

  #isFull(): boolean {
    return this.#queuedBytes > this.#queues.allowance || this.#queue.length > MAX_QUEUED_CHUNKS
  }

  #untilRoom(): Promise<void> {
    this.#room ??= this.#waitForRoom()
    return this.#room.promise
  }

  #waitForRoom(): { promise: Promise<void>; settle: () => void } {
    let wake = () => {}
    const promise = new Promise<void>((resolve) => {
      wake = resolve
    }).then(() => this.#throwIfFailed())
    promise.catch(() => undefined)
    const settle = () => {
      this.#room = undefined
      wake()
    }
    return { promise, settle }
  }
}
