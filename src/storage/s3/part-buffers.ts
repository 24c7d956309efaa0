import pLimit from 'p-limit'
import { freeMemoryOf } from '../../lib/free-memory.ts'
import { SpillFile } from './spill-file.ts'

/** How many parts are sent at the same time, of all uploads together. */
const MAX_SENDING = 3

/** How many are kept that nobody needs at the moment. */
const MAX_FREE = 4

/** Up to here a buffer doubles; a larger one has the size of a part at once. */
const MAX_DOUBLED_BYTES = 1024 * 1024
const FIRST_BYTES = 64 * 1024

export interface PartBuffersOptions {
  readonly partBytes: number
  /** What all parts together may hold in memory while they are gathered, but for the first `FIRST_BYTES` of each. Default: any. */
  readonly maxBytes?: number
}

/** The memory in which parts of uploads are gathered, used again and again, and how many are being sent.
 *
 *  Memory: what is gathered has a budget of all uploads together, and beyond it is in files, so that no upload waits for a client of
 *  another one. Of those, 3 parts at a time are read to be sent. */
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

  /** For an upload that may be small: it grows with what comes. */
  open(): PartBuffer {
    return new PartBuffer({ capacity: this.partBytes, maxDoubledBytes: MAX_DOUBLED_BYTES, buffers: this })
  }

  /** For a part that is not the first: it will be whole, though not before the ones before it have been sent. */
  openNext(capacity: number): PartBuffer {
    return new PartBuffer({ capacity, maxDoubledBytes: 0, buffers: this })
  }

  /** Undefined where the budget is used up. */
  take(size: number): Buffer | undefined {
    if (this.#heldBytes + size > this.#maxBytes) return undefined
    this.#heldBytes += size
    return (size === this.partBytes ? this.#free.pop() : undefined) ?? Buffer.allocUnsafeSlow(size)
  }

  /** @param options.isReusable false where something may still read it */
  giveBack(buffer: Buffer, { isReusable }: { isReusable: boolean }): void {
    this.#heldBytes -= buffer.byteLength
    if (isReusable && buffer.byteLength === this.partBytes && this.#free.length < MAX_FREE)
      this.#free.push(buffer)
  }

  /** Does what sends a part when it is its turn. */
  inTurn<Result>(send: () => Promise<Result>): Promise<Result> {
    return this.#limit(send)
  }
}

/** Bytes that come in small pieces and leave in one: in memory, or in a file when memory has become scarce. */
export class PartBuffer {
  readonly capacity: number
  readonly #maxDoubledBytes: number
  readonly #buffers: PartBuffers
  #bytes: Buffer
  /** Whether `#bytes` counts in the budget. */
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

  /** Lends what is in it now, which more that is added does not change: at once what is in memory; what is in a file when it is its
   *  turn, because it takes memory then.
   *  @throws StorageError BUSY when the file can't be written or read; whatever `work` throws */
  lend<Result>(work: (content: Buffer) => Promise<Result>): Promise<Result> {
    const content = this.#inMemory
    const snapshot = this.#spilled?.snapshot()
    if (snapshot === undefined) return work(content)
    return this.#buffers.inTurn(async () => work(await snapshot()))
  }

  /** The same for a whole part, in its turn in any case.
   *  @param onTurn called when it has come */
  lendInTurn<Result>(work: (content: Buffer) => Promise<Result>, onTurn: () => void): Promise<Result> {
    return this.#buffers.inTurn(async () => {
      onTurn()
      return work((await this.#spilled?.snapshot()()) ?? this.#inMemory)
    })
  }

  /** Takes what there is room for, and answers how much that was. */
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

  /** Until more can be added; undefined if it can be at once.
   *  @throws StorageError BUSY when it is in a file that can't be written */
  room(): Promise<void> | undefined {
    return this.#spilled?.room()
  }

  /** @param options.isReusable false where something may still read it */
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
