import type { ByteRange } from '../../core/storage-driver.ts'
import type { SpoolFile } from '../../lib/files/spool-file.ts'
import { BLOCK_BYTES, type Block, type BlockPool } from './blocks.ts'
import { Progress } from './progress.ts'
import { SpoolFailed } from './spool-failed.ts'

/** Bytes at the end that no reader gets before all bytes were verified. */
export const HELD_BYTES = 64 * 1024

/** The newest bytes stay in memory, for readers that keep up. */
const WINDOW_BYTES = 1024 ** 2
/** Received bytes are written together, because each write wakes a thread. */
const WRITE_BYTES = 512 * 1024
/** Limit of the bytes that wait to be written; the flight waits above it. */
const MAX_QUEUED_BYTES = 1024 ** 2

export interface SpoolOptions {
  readonly blocks: BlockPool
  /** Undefined if all bytes stay in memory. Then the size must be known. */
  readonly file: SpoolFile | undefined
  /** Its final size in bytes, if it is known. */
  readonly size: number | undefined
}

/** The bytes of a flight: appended by one writer, read by many readers, each at its own position. Memory is
 *  limited by flight: a window of the newest bytes, and the bytes that wait to be written. A reader that has
 *  fallen behind has one buffer of its own. */
export class Spool {
  readonly #pool: BlockPool
  readonly #file: SpoolFile | undefined
  readonly #size: number | undefined
  readonly #progress = new Progress()
  /** All but the first `#droppedBlocks`; all but the last are full. */
  readonly #blocks: Block[] = []
  #droppedBlocks = 0
  #received = 0
  #writing: Promise<void> | undefined
  #failure: { readonly error: unknown } | undefined
  #isComplete = false

  constructor({ blocks, file, size }: SpoolOptions) {
    this.#pool = blocks
    this.#file = file
    this.#size = size
  }

  /** True if its file has a name, and can be renamed. */
  get isNamed(): boolean {
    return this.#file?.path !== undefined
  }

  /** Copies a chunk. Resolves when there is room for another one; undefined if there is.
   *  @throws SpoolFailed also of an earlier chunk */
  append(chunk: Uint8Array): Promise<void> | undefined {
    if (this.#failure !== undefined) throw this.#failure.error
    for (let taken = 0; taken < chunk.length; ) {
      const block = this.#unfilled()
      const count = Math.min(chunk.length - taken, block.memory.length - block.length)
      block.memory.set(chunk.subarray(taken, taken + count), block.length)
      block.length += count
      this.#received += count
      taken += count
    }
    this.#progress.notify()
    if (this.#file === undefined) return undefined
    if (this.#received - this.#file.size >= WRITE_BYTES) this.#startWriting(this.#file)
    return this.#received - this.#file.size > MAX_QUEUED_BYTES ? this.#writing : undefined
  }

  /** All bytes are there and were verified: readers get the last ones too. */
  complete(): void {
    this.#isComplete = true
    this.#progress.notify()
  }

  /** Every reader that does not have all bytes yet fails. */
  fail(error: unknown): void {
    this.#failure ??= { error }
    this.#progress.notify()
  }

  /** The bytes from `start` to `end`, both included, as they arrive. A chunk is valid only until the next one
   *  is requested.
   *  @param range Default: all bytes
   *  @param minBytes the least that is worth a chunk, unless fewer are left. At most a block. Default: 1 */
  async *read(
    { start, end }: ByteRange = { start: 0, end: Infinity },
    minBytes = 1,
  ): AsyncIterable<Uint8Array> {
    let own: Block | undefined
    try {
      for (let at = start; at <= end; ) {
        const limit = Math.min(this.#readable, end + 1)
        if (at >= limit || (limit - at < minBytes && !this.#isComplete)) {
          if (this.#failure !== undefined) throw this.#failure.error
          if (this.#isComplete) return // fewer than the range asks for
          await this.#progress.wait()
          continue
        }
        const block = this.#blockAt(at)
        if (block === undefined) {
          own ??= this.#pool.take()
          const chunk = await this.#fromFile(own.memory, at, limit)
          at += chunk.length
          yield chunk
          continue
        }
        this.#pool.use(block)
        try {
          const from = at % BLOCK_BYTES
          const chunk = block.memory.subarray(from, Math.min(block.length, from + limit - at))
          at += chunk.length
          yield chunk
        } finally {
          this.#pool.release(block)
        }
      }
    } finally {
      if (own !== undefined) this.#pool.drop(own)
    }
  }

  /** The path of a file with all bytes, once they are complete. Undefined if there is none with a name.
   *  @throws SpoolFailed */
  async wholeFile(): Promise<string | undefined> {
    if (this.#file === undefined) return undefined
    await this.#startWriting(this.#file)
    return this.#file.path
  }

  /** Frees memory and file. Nothing may be appended or read any more. */
  async close(): Promise<void> {
    await this.#writing?.catch(() => undefined)
    while (this.#blocks.length > 0) this.#dropFirst()
    await this.#file?.close()
  }

  get #readable(): number {
    if (this.#isComplete) return this.#received
    return Math.min(this.#received, (this.#size ?? this.#received) - HELD_BYTES)
  }

  /** The last block, or a new one if that is full. */
  #unfilled(): Block {
    const last = this.#blocks.at(-1)
    if (last !== undefined && last.length < last.memory.length) return last
    const block = this.#pool.take(this.#file === undefined ? (this.#size ?? 0) - this.#received : BLOCK_BYTES)
    this.#blocks.push(block)
    return block
  }

  #blockAt(position: number): Block | undefined {
    return this.#blocks[Math.floor(position / BLOCK_BYTES) - this.#droppedBlocks]
  }

  async #fromFile(buffer: Uint8Array, at: number, limit: number): Promise<Uint8Array> {
    const wanted = buffer.subarray(0, Math.min(buffer.length, limit - at))
    const bytesRead = (await this.#file?.read(wanted, at)) ?? 0
    if (bytesRead === 0) throw new Error('the spool is shorter than what was written to it')
    return wanted.subarray(0, bytesRead)
  }

  #startWriting(file: SpoolFile): Promise<void> {
    if (this.#writing === undefined) {
      this.#writing = this.#write(file)
      this.#writing.catch(() => undefined) // the next call of `append` or `wholeFile` throws it
    }
    return this.#writing
  }

  /** Writes what waits; the rest too, once all bytes are there. */
  async #write(file: SpoolFile): Promise<void> {
    try {
      while (this.#received - file.size >= (this.#isComplete ? 1 : WRITE_BYTES)) {
        await file.append(this.#unwritten(file))
        this.#shrink(file)
      }
      this.#writing = undefined
    } catch (cause) {
      const error = new SpoolFailed(cause)
      this.fail(error)
      throw error
    }
  }

  #unwritten(file: SpoolFile): Uint8Array[] {
    const first = Math.floor(file.size / BLOCK_BYTES) - this.#droppedBlocks
    return this.#blocks.slice(first).map(({ memory, length }, index) => {
      return memory.subarray(index === 0 ? file.size % BLOCK_BYTES : 0, length)
    })
  }

  /** Drops the oldest blocks that are in the file. */
  #shrink(file: SpoolFile): void {
    const end = Math.min(file.size, this.#received - WINDOW_BYTES)
    while ((this.#droppedBlocks + 1) * BLOCK_BYTES <= end) this.#dropFirst()
  }

  #dropFirst(): void {
    const block = this.#blocks.shift()
    if (block !== undefined) this.#pool.drop(block)
    this.#droppedBlocks++
  }
}
