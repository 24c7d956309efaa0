import { Readable } from 'node:stream'
import type { BufferPool } from '../../buffer-pool.ts'

/** The source of the body's bytes. */
export interface BodySource {
  /** Continues after the body was full. */
  resume(): void
  /** Called if the body is abandoned before its end. */
  abandon(): void
}

/** One buffer is with the consumer while the other is filled. */
const RING_SIZE = 2

/** A body of known length, received into a ring of reusable buffers: **a chunk is valid only until the next
 *  one is requested.** A `Readable` because the SDK requires one; it can only be iterated and destroyed. */
export class AnswerBody extends Readable {
  readonly #source: BodySource
  readonly #buffers: BufferPool
  /** Filled in turn. */
  readonly #ring: Buffer[] = []
  /** Received chunks that were not requested yet. */
  readonly #waiting: Buffer[] = []
  /** Number of missing bytes. */
  #missing: number
  /** Number of received chunks, and of those that the consumer has released. */
  #received = 0
  #released = 0
  /** The consumer's chunk. */
  #lent: Buffer | undefined
  #failure: Error | undefined
  #wake = () => {}

  constructor(length: number, { source, buffers }: { source: BodySource; buffers: BufferPool }) {
    super()
    this.#missing = length
    this.#source = source
    this.#buffers = buffers
    // The iterator throws the error.
    this.on('error', () => {})
  }

  get isComplete(): boolean {
    return this.#missing === 0
  }

  /** True while nothing more can be received, because of the consumer. */
  get isFull(): boolean {
    return this.#received - this.#released === RING_SIZE
  }

  /** The place of the next bytes. While the body is full, the buffer that will be free first. */
  space(): Buffer {
    const place = this.#received % RING_SIZE
    this.#ring[place] ??= this.#buffers.take(this.#missing)
    return this.#ring[place]
  }

  /** Receives bytes that were written to the beginning of `space`.
   *  @returns number of bytes beyond the body's end */
  receive(bytes: Buffer): number {
    const chunk = bytes.subarray(0, this.#missing)
    if (chunk.length > 0) {
      this.#missing -= chunk.length
      this.#received++
      this.#waiting.push(chunk)
      this.#wake()
    }
    return bytes.length - chunk.length
  }

  /** Ends the body with an error, after the bytes received so far. */
  fail(error: Error): void {
    this.#failure ??= error
    this.#wake()
  }

  override async *[Symbol.asyncIterator](): AsyncGenerator<Buffer, undefined> {
    try {
      for (let chunk = await this.#next(); chunk !== undefined; chunk = await this.#next()) {
        this.#lent = this.#ring[this.#released % RING_SIZE]
        yield chunk
        this.#release()
      }
    } finally {
      this.destroy()
      this.#release()
    }
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    if (!this.isComplete) this.#source.abandon()
    this.#failure ??= error ?? new Error('aborted')
    this.#waiting.length = 0
    // The consumer's buffer is returned later: the body may be destroyed by another caller.
    for (const buffer of this.#ring.splice(0)) if (buffer !== this.#lent) this.#buffers.give(buffer)
    this.#wake()
    callback(error)
  }

  /** Undefined at the end. */
  async #next(): Promise<Buffer | undefined> {
    for (;;) {
      const chunk = this.#waiting.shift()
      if (chunk !== undefined) return chunk
      if (this.isComplete && !this.destroyed) return undefined
      if (this.#failure !== undefined) throw this.#failure
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  #release(): void {
    const lent = this.#lent
    if (lent === undefined) return
    const wasFull = this.isFull
    this.#lent = undefined
    this.#released++
    if (this.destroyed) this.#buffers.give(lent)
    else if (wasFull && !this.isComplete) this.#source.resume()
  }
}
