import { StorageError } from '../../core/errors.ts'
import type { ReadOptions } from '../../core/storage-driver.ts'
import type { BufferPool } from '../buffer-pool.ts'
import { close, fstat, readFully } from './calls/descriptors.ts'
import { readError } from './errno.ts'

export interface FileToRead {
  /** Opens it for reading; rejects an invalid path. */
  readonly open: () => Promise<number>
  /** The driver's path, for errors. */
  readonly path: string
  readonly buffers: BufferPool
}

/** A file's bytes. Each iteration opens the file anew. */
export class FileContent implements AsyncIterable<Uint8Array> {
  readonly #source: FileToRead
  readonly #options: ReadOptions

  constructor(source: FileToRead, options: ReadOptions) {
    this.#source = source
    this.#options = options
  }

  [Symbol.asyncIterator](): AsyncIterator<Uint8Array, undefined> {
    return new FileIterator(this.#source, this.#options)
  }
}

/** A read into a buffer: running or done. */
interface Chunk {
  readonly buffer: Buffer
  readonly length: number
  readonly filled: Promise<number>
}

type Step = IteratorResult<Uint8Array, undefined>

const DONE: Step = { done: true, value: undefined }

/** Reads into two buffers in turn: the next chunk is read while the consumer uses the last one. A buffer
 *  returns to the pool only when no read into it is running and the consumer has requested the chunk after
 *  it. */
class FileIterator implements AsyncIterator<Uint8Array, undefined> {
  readonly #source: FileToRead
  readonly #options: ReadOptions
  #fd: number | undefined
  #position = 0
  #end = 0
  /** The consumer's chunk. */
  #lent: Chunk | undefined
  /** The chunk that is read ahead. */
  #ahead: Chunk | undefined
  #spare: Buffer | undefined
  #step: Promise<Step> | undefined
  #closing: Promise<void> | undefined
  #ending: Promise<void> | undefined

  constructor(source: FileToRead, options: ReadOptions) {
    this.#source = source
    this.#options = options
  }

  next(): Promise<Step> {
    this.#step = this.#next()
    return this.#step
  }

  async return(): Promise<Step> {
    await this.#step?.catch(() => undefined)
    await this.#release()
    return DONE
  }

  async #next(): Promise<Step> {
    try {
      this.#throwIfAborted()
      if (this.#fd === undefined && this.#closing === undefined && this.#ending === undefined)
        await this.#open()
      const chunk = this.#ahead
      if (chunk === undefined) {
        await this.#release()
        return DONE
      }
      await this.#receive(chunk)
      this.#throwIfAborted()
      return { done: false, value: chunk.buffer.subarray(0, chunk.length) }
    } catch (cause) {
      await this.#release()
      throw readError(cause, this.#source.path)
    }
  }

  async #open(): Promise<void> {
    const { range } = this.#options
    if (range !== undefined && !(range.start >= 0 && range.end >= range.start)) throw this.#outside()
    this.#fd = await this.#source.open()
    if (range === undefined) {
      this.#end = await sizeOf(this.#fd, this.#source.path)
    } else {
      this.#position = range.start
      this.#end = range.end + 1
    }
    this.#readAhead()
  }

  /** Waits for the chunk, and starts the next read into the free buffer. */
  async #receive(chunk: Chunk): Promise<void> {
    if ((await chunk.filled) < chunk.length) throw this.#outside()
    this.#spare = this.#lent?.buffer
    this.#lent = chunk
    this.#ahead = undefined
    this.#readAhead()
    // The file is closed while the consumer uses the last chunk.
    if (this.#ahead === undefined) this.#close()
  }

  #readAhead(): void {
    const remaining = this.#end - this.#position
    if (remaining === 0 || this.#fd === undefined) return
    const buffer = this.#spare ?? this.#source.buffers.take(remaining)
    this.#spare = undefined
    const length = Math.min(buffer.length, remaining)
    const filled = readFully(this.#fd, { buffer, length, position: this.#position })
    filled.catch(() => undefined)
    this.#ahead = { buffer, length, filled }
    this.#position += length
  }

  #release(): Promise<void> {
    this.#ending ??= this.#letGo()
    return this.#ending
  }

  async #letGo(): Promise<void> {
    await this.#ahead?.filled.catch(() => undefined)
    for (const buffer of [this.#lent?.buffer, this.#ahead?.buffer, this.#spare]) {
      if (buffer !== undefined) this.#source.buffers.give(buffer)
    }
    this.#lent = this.#ahead = this.#spare = undefined
    this.#close()
    await this.#closing
  }

  #close(): void {
    if (this.#fd === undefined) return
    this.#closing = close(this.#fd)
    this.#closing.catch(() => undefined)
    this.#fd = undefined
  }

  #throwIfAborted(): void {
    const { signal } = this.#options
    if (signal?.aborted === true) {
      throw new StorageError('ABORTED', { path: this.#source.path, cause: signal.reason })
    }
  }

  #outside(): StorageError {
    return new StorageError('OFFSET_INVALID', { path: this.#source.path })
  }
}

/** The size of a file.
 *  @throws StorageError PATH_NOT_FOUND for a folder */
async function sizeOf(fd: number, path: string): Promise<number> {
  const stats = await fstat(fd)
  if (stats.isFile()) return stats.size
  throw new StorageError('PATH_NOT_FOUND', { path, message: `not a file: ${path}` })
}
