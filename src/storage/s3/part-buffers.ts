import pLimit from 'p-limit'
import { freeMemoryOf } from '../../lib/free-memory.ts'

/** How many parts are sent at the same time, of all uploads together. */
const MAX_SENDING = 3

/** How many are kept that nobody needs at the moment. */
const MAX_FREE = 4

/** Up to here a buffer doubles; a larger one has the size of a part at once. */
const MAX_DOUBLED_BYTES = 1024 * 1024
const FIRST_BYTES = 64 * 1024

/** The memory in which parts of uploads are gathered, used again and again, and how many are being sent.
 *
 *  Memory: each upload gathers one part, or waits with it until it may be sent, and 3 parts are being sent, of all uploads
 *  together. So n uploads hold up to (n + 3) × `chunksize`. */
export class PartBuffers {
  readonly partBytes: number
  readonly #free: Buffer[] = []
  readonly #limit = pLimit(MAX_SENDING)

  constructor(partBytes: number) {
    this.partBytes = partBytes
  }

  /** For an upload that may be small: it grows with what comes. */
  open(): PartBuffer {
    return new PartBuffer({ capacity: this.partBytes, maxDoubledBytes: MAX_DOUBLED_BYTES, buffers: this })
  }

  /** For a part that is not the first: it will be whole, though not before the ones before it have been sent. */
  openNext(capacity: number): PartBuffer {
    return new PartBuffer({ capacity, maxDoubledBytes: 0, buffers: this })
  }

  take(size: number): Buffer {
    return (size === this.partBytes ? this.#free.pop() : undefined) ?? Buffer.allocUnsafeSlow(size)
  }

  /** Only what nothing reads any more. */
  giveBack(buffer: Buffer): void {
    if (buffer.byteLength === this.partBytes && this.#free.length < MAX_FREE) this.#free.push(buffer)
  }

  /** Sends a part when it is its turn. */
  inTurn<Result>(send: () => Promise<Result>): Promise<Result> {
    return this.#limit(send)
  }
}

/** Bytes that come in small pieces and leave in one. */
export class PartBuffer {
  readonly capacity: number
  readonly #maxDoubledBytes: number
  readonly #buffers: PartBuffers
  #bytes: Buffer
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

  get content(): Buffer {
    return this.#bytes.subarray(0, this.#length)
  }

  /** Takes what there is room for, and answers how much that was. */
  add(chunk: Uint8Array): number {
    const count = Math.min(chunk.byteLength, this.capacity - this.#length)
    if (this.#length + count > this.#bytes.byteLength) this.#grow(this.#length + count)
    this.#bytes.set(count === chunk.byteLength ? chunk : chunk.subarray(0, count), this.#length)
    this.#length += count
    return count
  }

  release(): void {
    this.#buffers.giveBack(this.#bytes)
    this.#bytes = NOTHING
    this.#length = 0
  }

  #grow(needed: number): void {
    let size = this.#bytes.byteLength
    while (size < needed && size < this.#maxDoubledBytes) size *= 2
    const grown = this.#buffers.take(size < needed ? this.capacity : Math.min(size, this.capacity))
    grown.set(this.content)
    freeMemoryOf(this.#bytes)
    this.#bytes = grown
  }
}

const NOTHING = Buffer.alloc(0)
