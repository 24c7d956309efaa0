import { Readable } from 'node:stream'
import type { BufferPool } from '../../buffer-pool.ts'

/** What the body's bytes come from. */
export interface BodySource {
  /** Goes on after `receive` said false. */
  resume(): void
  /** Called when the body is no longer wanted and has not come to its end. */
  abandon(): void
}

/** One is with the consumer while the other is filled. */
const RING_SIZE = 2

/** A body of known length, received into a ring of buffers that are used again: **a chunk is valid only until the next one is
 *  asked for.** It is a `Readable` because the SDK takes nothing else; it reads nothing ahead by itself, and is to be
 *  iterated. */
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
  /** True while the consumer has a chunk. */
  #isLent = false
  #isWanted = false
  #failure: Error | undefined

  constructor(length: number, { source, buffers }: { source: BodySource; buffers: BufferPool }) {
    super({ highWaterMark: 0 })
    this.#missing = length
    this.#source = source
    this.#buffers = buffers
  }

  get isComplete(): boolean {
    return this.#missing === 0
  }

  /** True while nothing more can be received, because of the consumer. */
  get isFull(): boolean {
    return this.#received - this.#released === RING_SIZE
  }

  /** Where the next bytes go. While the ring is full it is what will be free first. */
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
      if (this.#isWanted) this.#lend()
    }
    return bytes.length - chunk.length
  }

  /** No more bytes come; those that came are still to be had. */
  fail(error: Error): void {
    this.#failure = error
    if (this.#isWanted) this.#lend()
  }

  override _read(): void {
    this.#release()
    this.#isWanted = true
    this.#lend()
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    if (!this.isComplete) this.#source.abandon()
    for (const [place, buffer] of this.#ring.entries()) {
      // Whoever ended the body may not be the one who looks at the chunk.
      if (this.#isLent && place === this.#released % RING_SIZE) this.#buffers.lose(buffer)
      else this.#buffers.give(buffer)
    }
    this.#ring.length = 0
    callback(error)
  }

  #lend(): void {
    const chunk = this.#waiting.shift()
    if (chunk !== undefined) {
      this.#isWanted = false
      this.#isLent = true
      this.push(chunk)
    } else if (this.isComplete) this.push(null)
    else if (this.#failure !== undefined) this.destroy(this.#failure)
  }

  #release(): void {
    if (!this.#isLent) return
    const wasFull = this.isFull
    this.#isLent = false
    this.#released++
    if (wasFull && !this.isComplete) this.#source.resume()
  }
}
