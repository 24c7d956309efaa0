import type { BufferPool } from '../../buffer-pool.ts'
import type { BodyMemory } from './answer-body.ts'

/** One buffer is with the consumer while the other is filled. */
const FULL_AT = 2

interface Chunk {
  readonly buffer: Buffer
  readonly bytes: Buffer
}

/** The memory of a body that comes in small pieces, which are gathered: a chunk is a full buffer, or what there
 *  is when the consumer asks. Pieces that still come while the memory is full are kept in further buffers. */
export class GatheredPieces implements BodyMemory {
  readonly #buffers: BufferPool
  /** Chunks that were not lent yet. */
  readonly #whole: Chunk[] = []
  /** The buffer that is filled, and the number of bytes in it. */
  #current: Buffer | undefined
  #filled = 0
  /** The buffer of the consumer's chunk. */
  #lent: Buffer | undefined

  constructor(buffers: BufferPool) {
    this.#buffers = buffers
  }

  get isFull(): boolean {
    return this.#whole.length + (this.#lent === undefined ? 0 : 1) >= FULL_AT
  }

  get hasWholeChunk(): boolean {
    return this.#whole.length > 0
  }

  space(missing: number): Buffer {
    this.#current ??= this.#buffers.take(missing)
    return this.#current.subarray(this.#filled)
  }

  add(count: number): void {
    this.#filled += count
    if (this.#filled === this.#current?.length) this.#endChunk(this.#current)
  }

  lend(): Buffer | undefined {
    if (this.#whole.length === 0 && this.#current !== undefined && this.#filled > 0)
      this.#endChunk(this.#current)
    const chunk = this.#whole.shift()
    this.#lent = chunk?.buffer
    return chunk?.bytes
  }

  release(): void {
    if (this.#lent !== undefined) this.#buffers.give(this.#lent)
    this.#lent = undefined
  }

  clear(): void {
    for (const { buffer } of this.#whole.splice(0)) this.#buffers.give(buffer)
    if (this.#current !== undefined) this.#buffers.give(this.#current)
    this.#current = undefined
    this.#filled = 0
  }

  #endChunk(buffer: Buffer): void {
    this.#whole.push({ buffer, bytes: buffer.subarray(0, this.#filled) })
    this.#current = undefined
    this.#filled = 0
  }
}
