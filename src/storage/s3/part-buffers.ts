/** How many parts of one upload are sent at the same time, where the process sends few; at least one always is. */
const MAX_SENDING_PER_UPLOAD = 4
const MAX_SENDING = 8

/** Up to here a buffer doubles; a larger one has the size of a part at once. */
const MAX_DOUBLED_BYTES = 1024 * 1024
const FIRST_BYTES = 64 * 1024

/** The memory in which parts of uploads are gathered, used again and again, and how many are being sent.
 *
 *  Memory: each upload gathers one part while others are sent, of all uploads together 8, or one each where there are more.
 *  So with a `chunksize` of 10 MiB, n uploads hold up to n × 10 MiB and 8 × 10 MiB more, or n × 20 MiB from 8 on. */
export class PartBuffers {
  readonly partBytes: number
  readonly #free: Buffer[] = []
  #sending = 0

  constructor(partBytes: number) {
    this.partBytes = partBytes
  }

  /** @param capacity in bytes; that of an ordinary part when absent */
  open(capacity = this.partBytes): PartBuffer {
    return new PartBuffer(capacity, this)
  }

  take(size: number): Buffer {
    return (size === this.partBytes ? this.#free.pop() : undefined) ?? Buffer.allocUnsafeSlow(size)
  }

  /** Only what nothing reads any more. */
  giveBack(buffer: Buffer): void {
    if (buffer.byteLength === this.partBytes && this.#free.length < MAX_SENDING) this.#free.push(buffer)
  }

  begin(): void {
    this.#sending++
  }

  end(): void {
    this.#sending--
  }

  /** False for an upload that should wait until one of its own parts is sent. */
  mayGoOn(ownSending: number): boolean {
    return ownSending === 0 || (this.#sending < MAX_SENDING && ownSending < MAX_SENDING_PER_UPLOAD)
  }
}

/** Bytes that come in small pieces and leave in one. */
export class PartBuffer {
  readonly capacity: number
  readonly #buffers: PartBuffers
  #bytes: Buffer
  #length = 0

  constructor(capacity: number, buffers: PartBuffers) {
    this.capacity = capacity
    this.#buffers = buffers
    this.#bytes = Buffer.allocUnsafeSlow(Math.min(FIRST_BYTES, capacity))
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
    while (size < needed && size < MAX_DOUBLED_BYTES) size *= 2
    const grown = this.#buffers.take(size < needed ? this.capacity : Math.min(size, this.capacity))
    grown.set(this.content)
    this.#bytes = grown
  }
}

const NOTHING = Buffer.alloc(0)
