import type { ByteRange } from '../../core/storage-driver.ts'

/** Small chunks are gathered in blocks of this size, so that a file written byte by byte is a short list. */
const BLOCK_BYTES = 64 * 1024

/** Limit of a chunk for readers, also of a file that was put in one piece. */
const MAX_CHUNK_BYTES = 512 * 1024

interface Block {
  /** Its position in the file. */
  readonly start: number
  /** The used part of the bytes; only the last block of a file grows. */
  length: number
  readonly bytes: Uint8Array
}

/** A file's content: blocks that are only added, never changed, so running readers are not affected. */
export class MemoryFile {
  modifiedAt = new Date()
  /** Undefined while it is written to. */
  version: string | undefined
  /** The writer that may append: the last one opened. */
  writer: unknown
  readonly #blocks: Block[] = []
  #size = 0

  get size(): number {
    return this.#size
  }

  /** Takes ownership of the chunk. */
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

  /** The bytes of a range inside the file; none if it ends before it starts. */
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

  /** Keeps the first chunk as it is, because most files have only one; a small chunk after it opens a block
   *  with room. */
  #blockOf(chunk: Uint8Array): Block {
    const start = this.#size
    if (start === 0 || chunk.byteLength >= BLOCK_BYTES)
      return { start, length: chunk.byteLength, bytes: chunk }
    const bytes = new Uint8Array(BLOCK_BYTES)
    bytes.set(chunk)
    return { start, length: chunk.byteLength, bytes }
  }

  /** The index of the block with the byte at an offset, by bisection. */
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
