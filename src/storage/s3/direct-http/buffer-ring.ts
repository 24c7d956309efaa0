import type { BufferPool } from '../../buffer-pool.ts'
import type { BodyMemory } from './answer-body.ts'

/** One buffer is with the consumer while the other is filled. */
const SIZE = 2

/** The memory of a body that the system reads directly into a ring of buffers. Each read is a chunk. While the
 *  ring is full, `space` is the buffer that will be free first. */
export class BufferRing implements BodyMemory {
  readonly #buffers: BufferPool
  /** Filled in turn. */
  readonly #ring: Buffer[] = []
  /** Received chunks that were not lent yet. */
  readonly #waiting: Buffer[] = []
  /** Number of received chunks, and of those that the consumer has released. */
  #received = 0
  #released = 0
  /** The buffer of the consumer's chunk. */
  #lent: Buffer | undefined

  constructor(buffers: BufferPool) {
    this.#buffers = buffers
  }

  get isFull(): boolean {
    return this.#received - this.#released === SIZE
  }

  get hasWholeChunk(): boolean {
    return this.#waiting.length > 0
  }

  space(missing: number): Buffer {
    const place = this.#received % SIZE
    this.#ring[place] ??= this.#buffers.take(missing)
    return this.#ring[place]
  }

  add(count: number): void {
    this.#waiting.push(this.space(count).subarray(0, count))
    this.#received++
  }

  lend(): Buffer | undefined {
    const chunk = this.#waiting.shift()
    if (chunk !== undefined) this.#lent = this.#ring[this.#released % SIZE]
    return chunk
  }

  release(): void {
    const lent = this.#lent
    if (lent === undefined) return
    this.#lent = undefined
    this.#released++
    if (!this.#ring.includes(lent)) this.#buffers.give(lent)
  }

  clear(): void {
    this.#waiting.length = 0
    for (const buffer of this.#ring.splice(0)) if (buffer !== this.#lent) this.#buffers.give(buffer)
  }
}
