import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { SharedMemory } from '../shared-memory/shared-memory.ts'
import { SLAB_BYTES, type Slab, slabOf } from '../shared-memory/slab.ts'
import type { Answer, MemoryMessage } from './messages.ts'
import { MAX_TASKS, OPERATIONS, type Task, TaskQueue } from './task-queue.ts'

const KIB = 1024
/** The thread is woken when so many bytes wait for it. */
const MIN_BATCH_BYTES = 512 * KIB
/** Bytes between two reports of the thread. */
const REPORT_BYTES = 1024 * KIB
/** When more bytes wait, uploads wait too. */
const MAX_WAITING_BYTES = 3 * 1024 * KIB

/** A thread with the hashes that it computes. It takes bytes from shared memory; others are copied there. */
export class HashingWorker {
  readonly #queue = new TaskQueue()
  readonly #worker: Worker
  /** Numbers of memory that the thread knows. */
  readonly #known = new WeakMap<ArrayBufferLike, number>()
  readonly #collected = new FinalizationRegistry<number>((memory) =>
    this.#add({ operation: OPERATIONS.forget, memory }),
  )
  readonly #abandoned = new FinalizationRegistry<number>((hash) => this.end(hash))
  /** For bytes of other memory. */
  readonly #copies = new SharedMemory({ maxSlabs: Number.POSITIVE_INFINITY })
  #open: Slab | undefined
  /** Of tasks in the queue, by their places: the slab and the bytes. */
  readonly #slabs = new Array<Slab | undefined>(MAX_TASKS)
  readonly #lengths = new Int32Array(MAX_TASKS)
  #addedCount = 0
  #doneCount = 0
  /** Tasks that the queue has no room for. */
  #overflow: { task: Task; slab: Slab | undefined }[] = []
  #waitingBytes = 0
  #bytesToWake = 0
  #bytesToReport = 0
  readonly #questions = new Map<number, (digest: string | undefined) => void>()
  #room: PromiseWithResolvers<void> | undefined
  #lastNumber = 0
  #hasEnded = false

  /** @param onEnd called if it ends by itself */
  constructor(onEnd: (error: Error) => void) {
    // Also beside the chunk of a bundle that has this file.
    const thread = new URL(`./hashing-thread${extname(import.meta.url)}`, import.meta.url)
    this.#worker = new Worker(thread, {
      workerData: this.#queue.memory,
      // Otherwise Node opens `process.stdout` for the thread, as for that of the index.
      stdout: true,
      stderr: true,
      resourceLimits: { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 32 },
    })
    this.#worker.unref()
    this.#worker.on('message', (answer: Answer) => this.#answered(answer))
    let reason: Error | undefined
    this.#worker.on('error', (error: unknown) => {
      reason = error as Error
    })
    this.#worker.on('exit', () => {
      const isUnexpected = !this.#hasEnded
      this.#ends()
      if (isUnexpected) onEnd(reason ?? new Error('the thread has ended'))
    })
  }

  /** Begins a hash.
   *  @param owner whose end ends the hash too
   *  @returns its number */
  begin(owner: WeakKey): number {
    const hash = this.#nextNumber()
    this.#abandoned.register(owner, hash, owner)
    return hash
  }

  /** Adds bytes; those of a slab stay in use until they are hashed.
   *  @returns a promise if the caller must wait, so that not too many bytes do */
  update(hash: number, bytes: Uint8Array): Promise<void> | undefined {
    if (this.#hasEnded) return undefined
    const slab = slabOf(bytes)
    if (slab !== undefined) this.#addBytes(hash, bytes, slab)
    else this.#addCopy(hash, bytes)
    this.#waitingBytes += bytes.length
    this.#bytesToWake += bytes.length
    this.#bytesToReport += bytes.length
    if (this.#bytesToReport >= REPORT_BYTES) this.#report()
    if (this.#bytesToWake >= MIN_BATCH_BYTES) this.#wake()
    this.#collect()
    if (this.#waitingBytes <= MAX_WAITING_BYTES) return undefined
    this.#room ??= Promise.withResolvers()
    this.#worker.ref()
    return this.#room.promise
  }

  /** The digest of the bytes so far, in hexadecimal; undefined if it is lost with the thread. */
  digest(hash: number): Promise<string | undefined> {
    if (this.#hasEnded) return Promise.resolve(undefined)
    const { promise, resolve } = Promise.withResolvers<string | undefined>()
    const number = this.#nextNumber()
    this.#questions.set(number, resolve)
    this.#worker.ref()
    this.#add({ operation: OPERATIONS.digest, hash, offset: number })
    this.#wake()
    return promise
  }

  /** Drops a hash. */
  end(hash: number, owner?: WeakKey): void {
    if (owner !== undefined) this.#abandoned.unregister(owner)
    if (!this.#hasEnded) this.#add({ operation: OPERATIONS.end, hash })
  }

  /** Ends the thread. Digests that are asked for are lost. */
  async close(): Promise<void> {
    this.#hasEnded = true
    await this.#worker.terminate()
  }

  #nextNumber(): number {
    this.#lastNumber = (this.#lastNumber + 1) | 0
    return this.#lastNumber
  }

  #numberOf(memory: SharedArrayBuffer): number {
    const known = this.#known.get(memory)
    if (known !== undefined) return known
    const number = this.#nextNumber()
    this.#known.set(memory, number)
    this.#collected.register(memory, number)
    this.#worker.postMessage({ number, memory } satisfies MemoryMessage)
    return number
  }

  #addBytes(hash: number, { buffer, byteOffset: offset, length }: Uint8Array, slab: Slab): void {
    slab.hold()
    const memory = this.#numberOf(buffer as SharedArrayBuffer)
    this.#add({ operation: OPERATIONS.update, hash, memory, offset, length }, slab)
  }

  #addCopy(hash: number, bytes: Uint8Array): void {
    for (let at = 0; at < bytes.length; ) {
      if (this.#open?.end === SLAB_BYTES) {
        this.#open.release()
        this.#open = undefined
      }
      this.#open ??= this.#copies.take() as Slab
      const { memory, end } = this.#open
      const copied = Math.min(bytes.length - at, SLAB_BYTES - end)
      memory.set(bytes.subarray(at, at + copied), end)
      this.#open.end += copied
      this.#addBytes(hash, memory.subarray(end, end + copied), this.#open)
      at += copied
    }
  }

  #add(fields: TaskFields, slab?: Slab): void {
    if (this.#hasEnded) return
    const task = taskOf(fields)
    if (this.#overflow.length === 0 && this.#tryToAdd(task, slab)) return
    this.#overflow.push({ task, slab })
    this.#wake()
  }

  #tryToAdd(task: Task, slab: Slab | undefined): boolean {
    const room = MAX_TASKS - ((this.#addedCount - this.#doneCount) | 0)
    if (room > 1) this.#place(task, slab)
    // The last place is for a report, after which there is room again.
    else if (room === 1) this.#place(taskOf({ operation: OPERATIONS.report }))
    return room > 1
  }

  #place(task: Task, slab?: Slab): void {
    this.#queue.add(task)
    const place = this.#addedCount & (MAX_TASKS - 1)
    this.#slabs[place] = slab
    this.#lengths[place] = task.length
    this.#addedCount = (this.#addedCount + 1) | 0
  }

  #wake(): void {
    this.#bytesToWake = 0
    this.#queue.wake()
  }

  #report(): void {
    this.#bytesToReport = 0
    this.#add({ operation: OPERATIONS.report })
  }

  #answered({ number, digest }: Answer): void {
    this.#questions.get(number)?.(digest)
    this.#questions.delete(number)
    this.#collect()
    if (this.#questions.size === 0 && this.#room === undefined) this.#worker.unref()
  }

  /** Releases what the thread has done. */
  #collect(): void {
    const { done } = this.#queue
    while (this.#doneCount !== done) {
      const place = this.#doneCount & (MAX_TASKS - 1)
      this.#slabs[place]?.release()
      this.#slabs[place] = undefined
      this.#waitingBytes -= this.#lengths[place] ?? 0
      this.#doneCount = (this.#doneCount + 1) | 0
    }
    if (this.#overflow.length > 0) this.#addOverflow()
    if (this.#waitingBytes > MAX_WAITING_BYTES / 2) return
    this.#room?.resolve()
    this.#room = undefined
  }

  #addOverflow(): void {
    let count = 0
    for (const { task, slab } of this.#overflow) {
      if (!this.#tryToAdd(task, slab)) break
      count++
    }
    this.#overflow.splice(0, count)
    this.#wake()
  }

  /** The thread reads no memory any more. */
  #ends(): void {
    this.#hasEnded = true
    for (const slab of this.#slabs) slab?.release()
    this.#slabs.fill(undefined)
    for (const { slab } of this.#overflow) slab?.release()
    this.#overflow = []
    for (const resolve of this.#questions.values()) resolve(undefined)
    this.#questions.clear()
    this.#room?.resolve()
  }
}

type TaskFields = Pick<Task, 'operation'> & Partial<Task>

function taskOf(fields: TaskFields): Task {
  return { hash: 0, memory: 0, offset: 0, length: 0, ...fields }
}
