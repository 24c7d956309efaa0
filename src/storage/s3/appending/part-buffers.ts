import pLimit from 'p-limit'
import { freeMemoryOf } from '../../../lib/free-memory.ts'
import { SpillFile } from './spill-file.ts'

/** Parts of all uploads that are sent concurrently. */
const MAX_SENDING = 3

/** Unused buffers that are kept. */
const MAX_FREE = 4

/** Buffers double up to this size; a larger one has the size of a part at once. */
const MAX_DOUBLED_BYTES = 1024 * 1024
const FIRST_BYTES = 64 * 1024

export interface PartBuffersOptions {
  readonly partBytes: number
  /** Memory of all gathered parts together, except the first `FIRST_BYTES` of each. Default: no limit. */
  readonly maxBytes?: number
}

/** The reusable memory of gathered parts, and the limit of parts that are sent concurrently.
 *
 *  The memory has a budget for all uploads. Beyond it parts are gathered in files, so that no upload waits
 *  for another one's client. Of those in files, 3 at a time are read to be sent. */
export class PartBuffers {
  readonly partBytes: number
  readonly #maxBytes: number
  readonly #free: Buffer[] = []
  readonly #limit = pLimit(MAX_SENDING)
  #heldBytes = 0

  constructor({ partBytes, maxBytes = Number.POSITIVE_INFINITY }: PartBuffersOptions) {
    this.partBytes = partBytes
    this.#maxBytes = maxBytes
  }

  /** A buffer for an upload that may be small: it grows with its content. */
  open(): PartBuffer {
    return new PartBuffer({ capacity: this.partBytes, maxDoubledBytes: MAX_DOUBLED_BYTES, buffers: this })
  }

  /** A buffer for a later part, which will probably be full. Opened once the previous ones were sent. */
  openNext(capacity: number): PartBuffer {
    return new PartBuffer({ capacity, maxDoubledBytes: 0, buffers: this })
  }

  /** A buffer. Undefined if the budget is exhausted. */
  take(size: number): Buffer | undefined {
    if (this.#heldBytes + size > this.#maxBytes) return undefined
    this.#heldBytes += size
    return (size === this.partBytes ? this.#free.pop() : undefined) ?? Buffer.allocUnsafeSlow(size)
  }

  /** Returns a buffer.
   *  @param options.isReusable false if it may still be read */
  giveBack(buffer: Buffer, { isReusable }: { isReusable: boolean }): void {
    this.#heldBytes -= buffer.byteLength
    if (isReusable && buffer.byteLength === this.partBytes && this.#free.length < MAX_FREE)
      this.#free.push(buffer)
  }

  /** Runs work that sends a part, within the limit. */
  inTurn<Result>(send: () => Promise<Result>): Promise<Result> {
    return this.#limit(send)
  }
}

/** Gathers small chunks: in memory, or in a file if memory is scarce. */
export class PartBuffer {
  readonly capacity: number
  readonly #maxDoubledBytes: number
  readonly #buffers: PartBuffers
  #bytes: Buffer
  /** True if `#bytes` counts towards the budget. */
  #isCounted = false
  #spilled: SpillFile | undefined
  #length = 0

  constructor(parts: { capacity: number; maxDoubledBytes: number; buffers: PartBuffers }) {
    this.capacity = parts.capacity
    this.#maxDoubledBytes = parts.maxDoubledBytes
    this.#buffers = parts.buffers
    this.#bytes = Buffer.allocUnsafeSlow(Math.min(FIRST_BYTES, parts.capacity))
  }

  get length(): number {
    return this.#length
  }

  get isFull(): boolean {
    return this.#length === this.capacity
  }

  /** Passes the present content to `work`; bytes added later do not change it. Content in a file is read
   *  within the limit of sent parts, because it needs memory then.
   *  @throws StorageError BUSY if the file can't be written or read; errors of `work` */
  lend<Result>(work: (content: Buffer) => Promise<Result>): Promise<Result> {
    const content = this.#inMemory
    const snapshot = this.#spilled?.snapshot()
    if (snapshot === undefined) return work(content)
    return this.#buffers.inTurn(async () => work(await snapshot()))
  }

  /** Passes a whole part, always within the limit of sent parts.
   *  @param onTurn called when its turn has come */
  lendInTurn<Result>(work: (content: Buffer) => Promise<Result>, onTurn: () => void): Promise<Result> {
    return this.#buffers.inTurn(async () => {
      onTurn()
      return work((await this.#spilled?.snapshot()()) ?? this.#inMemory)
    })
  }

  /** Adds the beginning of a chunk. Returns the number of bytes added. */
  add(chunk: Uint8Array): number {
    const count = Math.min(chunk.byteLength, this.capacity - this.#length)
    const taken = count === chunk.byteLength ? chunk : chunk.subarray(0, count)
    if (this.#spilled === undefined && this.#length + count > this.#bytes.byteLength)
      this.#grow(this.#length + count)
    if (this.#spilled === undefined) this.#bytes.set(taken, this.#length)
    else this.#spilled.append(Buffer.from(taken))
    this.#length += count
    return count
  }

  /** Resolves once more can be added; undefined if it can be now.
   *  @throws StorageError BUSY if it is in a file that can't be written */
  room(): Promise<void> | undefined {
    return this.#spilled?.room()
  }

  /** Releases the memory.
   *  @param options.isReusable false if it may still be read */
  release({ isReusable = true } = {}): void {
    this.#giveBack({ isReusable })
    this.#spilled?.close()
    this.#length = 0
  }

  get #inMemory(): Buffer {
    return this.#bytes.subarray(0, this.#length)
  }

  #grow(needed: number): void {
    let size = this.#bytes.byteLength
    while (size < needed && size < this.#maxDoubledBytes) size *= 2
    const grown = this.#buffers.take(size < needed ? this.capacity : Math.min(size, this.capacity))
    if (grown === undefined) {
      this.#spill()
      return
    }
    grown.set(this.#inMemory)
    const before = this.#bytes
    this.#giveBack({ isReusable: false })
    freeMemoryOf(before)
    this.#bytes = grown
    this.#isCounted = true
  }

  #spill(): void {
    this.#spilled = new SpillFile()
    if (this.#length > 0) this.#spilled.append(Buffer.from(this.#inMemory))
    this.#giveBack({ isReusable: true })
  }

  #giveBack(options: { isReusable: boolean }): void {
    if (this.#isCounted) this.#buffers.giveBack(this.#bytes, options)
    this.#isCounted = false
    this.#bytes = NOTHING
  }
}

const NOTHING = Buffer.alloc(0)
