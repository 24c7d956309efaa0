import { Readable } from 'node:stream'
import type { BufferPool } from '../../buffer-pool.ts'

/** What the body's bytes come from. */
export interface BodySource {
  /** Goes on although the body was full. */
  resume(): void
  /** Called when the body is no longer wanted and has not come to its end. */
  abandon(): void
}

/** One is with the consumer while the other is filled. */
const RING_SIZE = 2

/** A body of known length, received into a ring of buffers that are used again: **a chunk is valid only until the next one is
 *  asked for.** It is a `Readable` because the SDK takes nothing else, and can only be iterated and destroyed. */
export class AnswerBody extends Readable {
  readonly #source: BodySource
  readonly #buffers: BufferPool
  /** Filled in turn. */
  readonly #ring: Buffer[] = []
  /** What came and was not asked for yet. */
  readonly #waiting: Buffer[] = []
  /** How many bytes are still to come. */
  #missing: number
  /** How many chunks came so far, and how many of these the consumer is done with. */
  #received = 0
  #released = 0
  /** What the consumer looks at. */
  #lent: Buffer | undefined
  #failure: Error | undefined
  #wake = () => {}

  constructor(length: number, { source, buffers }: { source: BodySource; buffers: BufferPool }) {
    super()
    this.#missing = length
    this.#source = source
    this.#buffers = buffers
    // Whoever iterates hears of it.
    this.on('error', () => {})
  }

  get isComplete(): boolean {
    return this.#missing === 0
  }

  /** True while nothing more can be received, because of the consumer. */
  get isFull(): boolean {
    return this.#received - this.#released === RING_SIZE
  }

  /** Where the next bytes go. While the body is full it is what will be free first. */
  space(): Buffer {
    const place = this.#received % RING_SIZE
    this.#ring[place] ??= this.#buffers.take(this.#missing)
    return this.#ring[place]
  }

  /** Takes bytes that were put at the beginning of the `space`.
   *  @returns how many there are beyond the body's end */
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

  /** No more bytes come; those that came are still to be had. */
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
    // What is lent goes back later: whoever destroys a body need not be the one who iterates.
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
