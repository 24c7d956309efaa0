import { extname } from 'node:path'
import { Worker } from 'node:worker_threads'
import { SharedMemory } from '../shared-memory/shared-memory.ts'
import { SLAB_BYTES, type Slab, slabOf } from '../shared-memory/slab.ts'
import { Backlog, Target } from './backlog.ts'
import type { Answer, MemoryMessage, WriteFailure } from './messages.ts'
import { MAX_TASKS, OPERATIONS, type Task, TaskQueue } from './task-queue.ts'

const KIB = 1024
/** The thread is woken when so many bytes wait for it. Those that are hashed and written count twice, here and below. */
const MIN_BATCH_BYTES = 1024 * KIB
/** Bytes between two reports of the thread. */
const REPORT_BYTES = 1024 * KIB

/** A thread with the hashes that it computes and the files that it writes. It takes bytes from shared memory; others are copied there. */
export class IngestWorker {
  readonly #queue = new TaskQueue()
  readonly #worker: Worker
  /** Numbers of memory that the thread knows. */
  readonly #known = new WeakMap<ArrayBufferLike, number>()
  readonly #collected = new FinalizationRegistry<number>((memory) =>
    this.#add({ operation: OPERATIONS.forget, memory }),
  )
  readonly #abandoned = new FinalizationRegistry<Target>((hash) => this.endHash(hash))
  /** For bytes of other memory. */
  readonly #copies = new SharedMemory({ maxSlabs: Number.POSITIVE_INFINITY })
  #open: Slab | undefined
  /** Of tasks in the queue, by their places: the bytes, where they lie and what they are for. */
  readonly #works = new Array<Work | undefined>(MAX_TASKS)
  #addedCount = 0
  #doneCount = 0
  /** Tasks that the queue has no room for. */
  #overflow: { task: Task; work: Work | undefined }[] = []
  readonly #backlog = new Backlog()
  #bytesToWake = 0
  #bytesToReport = 0
  /** Reports that are to come. */
  #reportCount = 0
  readonly #questions = new Map<number, (digest: string | undefined) => void>()
  readonly #files = new Map<number, (failure: Error) => void>()
  #lastNumber = 0
  #hasEnded = false
  readonly #exit: Promise<void>

  /** @param onEnd called if it ends by itself */
  constructor(onEnd: (error: Error) => void) {
    // Also beside the chunk of a bundle that has this file.
    const thread = new URL(`./ingest-thread${extname(import.meta.url)}`, import.meta.url)
    this.#worker = new Worker(thread, {
      workerData: this.#queue.memory,
      // Otherwise Node opens `process.stdout` for the thread, as for that of the index.
      stdout: true,
      stderr: true,
      resourceLimits: { maxYoungGenerationSizeMb: 2, maxOldGenerationSizeMb: 32 },
    })
    this.#worker.unref()
    this.#exit = new Promise((resolve) => this.#worker.once('exit', () => resolve()))
    this.#worker.on('message', (answer: Answer) => this.#answered(answer))
    let reason: Error | undefined
    this.#worker.on('error', (error: unknown) => {
      reason = error as Error
    })
    this.#worker.once('exit', () => {
      const isUnexpected = !this.#hasEnded
      this.#ends()
      if (isUnexpected) onEnd(reason ?? new Error('the thread has ended'))
    })
  }

  /** Begins a hash.
   *  @param owner whose end ends the hash too */
  beginHash(owner: WeakKey): Target {
    const hash = new Target(this.#nextNumber())
    this.#abandoned.register(owner, hash, owner)
    return hash
  }

  /** Adds bytes to a hash; those of a slab stay in use until they are hashed.
   *  @returns a promise if the caller must wait, so that not too many bytes do */
  hash(hash: Target, bytes: Uint8Array): Promise<void> | undefined {
    return this.#work(OPERATIONS.hash, hash, bytes)
  }

  /** The digest of the bytes so far, in hexadecimal; undefined if it is lost with the thread. */
  digest(hash: Target): Promise<string | undefined> {
    if (this.#hasEnded) return Promise.resolve(undefined)
    const number = this.#nextNumber()
    this.#add({ operation: OPERATIONS.digest, target: hash.number, offset: number })
    return this.#ask(number)
  }

  /** Drops a hash. */
  endHash(hash: Target, owner?: WeakKey): void {
    if (owner !== undefined) this.#abandoned.unregister(owner)
    this.#add({ operation: OPERATIONS.endHash, target: hash.number })
  }

  /** Opens a file for writing.
   *  @param descriptor must stay open until `settle` resolves after the last write
   *  @param onFailure called at most once: nothing is written after a failure */
  openFile(descriptor: number, position: number, onFailure: (failure: Error) => void): Target {
    const file = new Target(this.#nextNumber())
    this.#files.set(file.number, onFailure)
    const [offset, length] = [position | 0, Math.floor(position / TWO_TO_32)]
    this.#add({ operation: OPERATIONS.openFile, target: file.number, memory: descriptor, offset, length })
    return file
  }

  /** Appends bytes to a file; those of a slab stay in use until they are written.
   *  @returns as of `hash` */
  write(file: Target, bytes: Uint8Array): Promise<void> | undefined {
    return this.#work(OPERATIONS.write, file, bytes)
  }

  /** Resolves once the bytes so far are written, or never will be: after a failure, or because the thread has ended. */
  async settle(): Promise<void> {
    if (this.#hasEnded) return this.#exit
    const number = this.#nextNumber()
    this.#add({ operation: OPERATIONS.report, offset: number })
    await this.#ask(number)
  }

  /** Drops a file, which stays open. */
  endFile({ number }: Target): void {
    this.#files.delete(number)
    this.#add({ operation: OPERATIONS.endFile, target: number })
  }

  /** Ends the thread. Digests that are asked for are lost, and files that are open fail. */
  async close(): Promise<void> {
    this.#hasEnded = true
    this.#failFiles()
    await this.#worker.terminate()
  }

  #nextNumber(): number {
    this.#lastNumber = (this.#lastNumber + 1) | 0 || 1
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

  #ask(number: number): Promise<string | undefined> {
    const { promise, resolve } = Promise.withResolvers<string | undefined>()
    this.#questions.set(number, resolve)
    this.#worker.ref()
    this.#wake()
    return promise
  }

  #work(operation: WorkOperation, target: Target, bytes: Uint8Array): Promise<void> | undefined {
    if (this.#hasEnded) return undefined
    const slab = slabOf(bytes)
    if (slab !== undefined) this.#addBytes(operation, target, bytes, slab)
    else this.#addCopy(operation, target, bytes)
    this.#bytesToWake += bytes.length
    this.#bytesToReport += bytes.length
    if (this.#bytesToReport >= REPORT_BYTES) this.#report()
    if (this.#bytesToWake >= MIN_BATCH_BYTES) this.#wake()
    this.#collect()
    const room = this.#backlog.room(target)
    if (room !== undefined) {
      this.#worker.ref()
      this.#awaitReport()
    }
    return room
  }

  #addBytes(operation: WorkOperation, target: Target, bytes: Uint8Array, slab: Slab): void {
    const { buffer, byteOffset: offset, length } = bytes
    slab.hold()
    this.#backlog.add(target, length)
    const memory = this.#numberOf(buffer as SharedArrayBuffer)
    this.#add({ operation, target: target.number, memory, offset, length }, { slab, target, length })
  }

  #addCopy(operation: WorkOperation, target: Target, bytes: Uint8Array): void {
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
      this.#addBytes(operation, target, memory.subarray(end, end + copied), this.#open)
      at += copied
    }
  }

  #add(fields: TaskFields, work?: Work): void {
    if (this.#hasEnded) return
    const task = taskOf(fields)
    if (this.#overflow.length === 0 && this.#tryToAdd(task, work)) return
    this.#overflow.push({ task, work })
    this.#wake()
  }

  #tryToAdd(task: Task, work: Work | undefined): boolean {
    const room = MAX_TASKS - ((this.#addedCount - this.#doneCount) | 0)
    if (room > 1) this.#place(task, work)
    // The last place is for a report, after which there is room again.
    else if (room === 1) {
      this.#reportCount++
      this.#place(taskOf({ operation: OPERATIONS.report }))
    }
    return room > 1
  }

  #place(task: Task, work?: Work): void {
    this.#queue.add(task)
    this.#works[this.#addedCount & (MAX_TASKS - 1)] = work
    this.#addedCount = (this.#addedCount + 1) | 0
  }

  #wake(): void {
    this.#bytesToWake = 0
    this.#queue.wake()
  }

  #report(): void {
    this.#bytesToReport = 0
    this.#reportCount++
    this.#add({ operation: OPERATIONS.report })
  }

  /** Makes sure that the thread reports, for those who wait. */
  #awaitReport(): void {
    if (this.#reportCount === 0) this.#report()
    this.#wake()
  }

  #answered({ number, digest, failure }: Answer): void {
    if (failure !== undefined) this.#files.get(number)?.(errorOf(failure))
    this.#questions.get(number)?.(digest)
    this.#questions.delete(number)
    if (number === REPORT) this.#reportCount--
    this.#collect()
    if (this.#backlog.isFull) this.#awaitReport()
    if (this.#questions.size === 0 && !this.#backlog.isFull) this.#worker.unref()
  }

  /** Releases what the thread has done. */
  #collect(): void {
    const { done } = this.#queue
    if (this.#doneCount === done) return
    while (this.#doneCount !== done) {
      const place = this.#doneCount & (MAX_TASKS - 1)
      const work = this.#works[place]
      if (work !== undefined) this.#isDone(work)
      this.#works[place] = undefined
      this.#doneCount = (this.#doneCount + 1) | 0
    }
    if (this.#overflow.length > 0) this.#addOverflow()
    this.#backlog.makeRoom()
  }

  #isDone({ slab, target, length }: Work): void {
    slab.release()
    this.#backlog.remove(target, length)
  }

  #addOverflow(): void {
    let count = 0
    for (const { task, work } of this.#overflow) {
      if (!this.#tryToAdd(task, work)) break
      count++
    }
    this.#overflow.splice(0, count)
    this.#wake()
  }

  /** The thread reads no memory any more. */
  #ends(): void {
    this.#hasEnded = true
    this.#failFiles()
    for (const work of this.#works) work?.slab.release()
    this.#works.fill(undefined)
    for (const { work } of this.#overflow) work?.slab.release()
    this.#overflow = []
    for (const resolve of this.#questions.values()) resolve(undefined)
    this.#questions.clear()
    this.#backlog.end()
  }

  #failFiles(): void {
    const failure = errorOf({ message: 'the thread that writes has ended', code: 'ESHUTDOWN' })
    for (const onFailure of this.#files.values()) onFailure(failure)
    this.#files.clear()
  }
}

/** In the place of a number. */
const REPORT = 0
const TWO_TO_32 = 2 ** 32

type WorkOperation = typeof OPERATIONS.hash | typeof OPERATIONS.write

/** Bytes for a target, in a slab that is in use until they are done. */
interface Work {
  readonly slab: Slab
  readonly target: Target
  readonly length: number
}

type TaskFields = Pick<Task, 'operation'> & Partial<Task>

function taskOf(fields: TaskFields): Task {
  return { target: 0, memory: 0, offset: 0, length: 0, ...fields }
}

function errorOf({ message, code }: WriteFailure): Error {
  return Object.assign(new Error(message), { code })
}
