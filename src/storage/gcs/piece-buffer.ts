import { createHash, type Hash } from 'node:crypto'
import { freeMemoryOf } from '../../lib/free-memory.ts'
import type { Content } from './content.ts'

/** Shorter chunks are copied together, so that a piece written byte by byte is still a short list. */
const BLOCK_BYTES = 64 * 1024

/** Gathers bytes to be uploaded together. */
export class PieceBuffer {
  readonly #chunks: Uint8Array[] = []
  readonly #md5: Hash = createHash('md5')
  #size = 0
  /** The free space of the last chunk, if that is a block of this buffer. */
  #room: Uint8Array = new Uint8Array()

  get size(): number {
    return this.#size
  }

  /** Takes ownership of the chunk. */
  add(chunk: Uint8Array): void {
    if (chunk.byteLength === 0) return
    this.#md5.update(chunk)
    this.#size += chunk.byteLength
    if (chunk.byteLength >= BLOCK_BYTES) {
      this.#endBlock()
      this.#chunks.push(chunk)
    } else {
      this.#copy(chunk)
    }
  }

  /** Ends the piece; nothing can be added afterwards. */
  end(): Content {
    this.#endBlock()
    return { chunks: this.#chunks, size: this.#size, md5: this.#md5.digest('base64') }
  }

  #copy(chunk: Uint8Array): void {
    if (chunk.byteLength > this.#room.byteLength) {
      this.#endBlock()
      this.#room = new Uint8Array(BLOCK_BYTES)
      this.#chunks.push(this.#room)
    }
    this.#room.set(chunk)
    const { byteLength } = chunk
    freeMemoryOf(chunk)
    this.#room = this.#room.subarray(byteLength)
  }

  /** Cuts the last block to its used length. */
  #endBlock(): void {
    const free = this.#room.byteLength
    if (free === 0) return
    const block = this.#chunks.pop() as Uint8Array
    this.#chunks.push(block.subarray(0, block.byteLength - free))
    this.#room = new Uint8Array()
  }
}
