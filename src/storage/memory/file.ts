import type { ByteRange } from '../../core/storage-driver.ts'

/** Small chunks are gathered into blocks of this size, so that a file written byte by byte stays a short list. */
const BLOCK_BYTES = 64 * 1024

/** However large a file was put in one piece: whoever reads it slowly or stops gets no more than this at a time. */
const MAX_CHUNK_BYTES = 512 * 1024

interface Block {
  /** Where in the file it begins. */
  readonly start: number
  /** How much of the bytes is in use; only the last block of a file grows. */
  length: number
  readonly bytes: Uint8Array
}

/** A file's content: blocks that are only ever added to, never changed. So a reader that began earlier is not
 *  disturbed. */
export class MemoryFile {
  modifiedAt = new Date()
  /** Undefined while it is written to. */
  version: string | undefined
  /** Who may append to it: the last that began to. */
  writer: unknown
  readonly #blocks: Block[] = []
  #size = 0

  get size(): number {
    return this.#size
  }

  /** Takes the chunk as its own. */
  append(chunk: Uint8Array): void {
    this.modifiedAt = new Date()
    if (chunk.byteLength === 0) return
    const last = this.#blocks.at(-1)
    if (last !== undefined && last.length + chunk.byteLength <= last.bytes.length) {
      last.bytes.set(chunk, last.length)
      last.length += chunk.byteLength
    } else {
      this.#blocks.push(this.#blockOf(chunk))
    }
    this.#size += chunk.byteLength
  }

  /** The bytes of a range that lies inside the file; none where it ends before it starts. */
  *chunks({ start, end }: ByteRange): Generator<Uint8Array, void> {
    for (let index = this.#indexAt(start); index < this.#blocks.length; index++) {
      const block = this.#blocks[index]!
      if (block.start > end) return
      const to = Math.min(end + 1 - block.start, block.length)
      for (let from = Math.max(start - block.start, 0); from < to; from += MAX_CHUNK_BYTES) {
        yield block.bytes.subarray(from, Math.min(from + MAX_CHUNK_BYTES, to))
      }
    }
  }

  /** A first chunk is kept as it is, for most files have only one; only a small one behind it opens a block with room. */
  #blockOf(chunk: Uint8Array): Block {
    const start = this.#size
    if (start === 0 || chunk.byteLength >= BLOCK_BYTES)
      return { start, length: chunk.byteLength, bytes: chunk }
    const bytes = new Uint8Array(BLOCK_BYTES)
    bytes.set(chunk)
    return { start, length: chunk.byteLength, bytes }
  }

  /** The index of the block that holds the byte at the offset, by bisection. */
  #indexAt(offset: number): number {
    let low = 0
    let high = this.#blocks.length - 1
    while (low < high) {
      const middle = (low + high + 1) >>> 1
      if (this.#blocks[middle]!.start <= offset) low = middle
      else high = middle - 1
    }
    return low
  }
}
