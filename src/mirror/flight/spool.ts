import type { SpoolFile } from '../../lib/files/spool-file.ts'
import { Progress } from './progress.ts'

/** How much at the end nobody gets before all of it is known to be right. */
export const HELD_BYTES = 64 * 1024

/** What is kept in memory of the newest bytes, for readers that keep up. */
const WINDOW_BYTES = 1024 ** 2
/** How much may wait to be written before whoever brings it waits. */
const MAX_QUEUED_BYTES = 1024 ** 2
const READ_BYTES = 256 * 1024

/** The bytes of a flight: appended by one, read by many from wherever they are. Memory is bounded by the
 *  flight: a window of the newest bytes, and what waits to be written. A reader that has fallen behind has
 *  one buffer of its own. */
export class Spool {
  readonly #file: SpoolFile | undefined
  readonly #progress = new Progress()
  #window: Uint8Array[] = []
  #windowStart = 0
  #received = 0
  #writing: Promise<void> | undefined
  #failure: { readonly error: unknown } | undefined
  #isComplete = false
  /** The size that it will have in the end, as soon as that is known. */
  size: number | undefined

  /** @param file none if all of it may stay in memory */
  constructor(file: SpoolFile | undefined) {
    this.#file = file
  }

  /** Bytes so far. */
  get received(): number {
    return this.#received
  }

  /** Takes a chunk over. Resolves when there is room for another one; undefined if there is.
   *  @throws Error of the system, also of an earlier chunk */
  append(chunk: Uint8Array): Promise<void> | undefined {
    if (this.#failure !== undefined) throw this.#failure.error
    this.#window.push(chunk)
    this.#received += chunk.length
    this.#progress.notify()
    if (this.#file === undefined) return undefined
    this.#writing ??= this.#write(this.#file)
    return this.#received - this.#file.size > MAX_QUEUED_BYTES ? this.#writing : undefined
  }

  /** All bytes are there and are the right ones: the last are given out too. */
  complete(): void {
    this.#isComplete = true
    this.#progress.notify()
  }

  /** Every reader that has not all of it yet fails. */
  fail(error: unknown): void {
    this.#failure ??= { error }
    this.#progress.notify()
  }

  /** The bytes from `start` to `end`, both included, as they come.
   *  @param end of an open range: as many as there are when it is complete */
  async *read(start: number, end = Infinity): AsyncIterable<Uint8Array> {
    this.#file?.retain()
    let buffer: Uint8Array | undefined
    try {
      for (let at = start; at <= end; ) {
        const limit = Math.min(this.#readable, end + 1)
        if (at >= limit) {
          if (this.#failure !== undefined) throw this.#failure.error
          if (this.#isComplete) return
          await this.#progress.wait()
          continue
        }
        let chunk = this.#inWindow(at, limit)
        if (chunk === undefined) {
          buffer ??= Buffer.allocUnsafeSlow(READ_BYTES)
          chunk = await this.#fromFile(buffer, at, limit)
        }
        at += chunk.length
        yield chunk
      }
    } finally {
      await this.#file?.release()
    }
  }

  /** Nothing is appended any more; the file goes with its last reader. */
  async close(): Promise<void> {
    await this.#writing?.catch(() => undefined)
    if (this.#file === undefined) return // whoever still reads has it
    this.#window = []
    this.#windowStart = this.#received
    await this.#file.release()
  }

  get #readable(): number {
    if (this.#isComplete) return this.#received
    return Math.min(this.#received, (this.size ?? this.#received) - HELD_BYTES)
  }

  #inWindow(at: number, limit: number): Uint8Array | undefined {
    if (at < this.#windowStart) return undefined
    let start = this.#windowStart
    for (const chunk of this.#window) {
      if (at < start + chunk.length) return chunk.subarray(at - start, limit - start)
      start += chunk.length
    }
    return undefined
  }

  async #fromFile(buffer: Uint8Array, at: number, limit: number): Promise<Uint8Array> {
    const wanted = buffer.subarray(0, Math.min(buffer.length, limit - at))
    const bytesRead = (await this.#file?.read(wanted, at)) ?? 0
    if (bytesRead === 0) throw new Error('the spool is shorter than what was written to it')
    return wanted.subarray(0, bytesRead)
  }

  /** Until all that was received is in the file. */
  async #write(file: SpoolFile): Promise<void> {
    try {
      while (file.size < this.#received) await file.append(this.#unwritten(file))
      this.#shrink(file)
      this.#writing = undefined
    } catch (error) {
      this.fail(error)
      throw error
    }
  }

  #unwritten(file: SpoolFile): Uint8Array[] {
    this.#shrink(file)
    let start = this.#windowStart
    const chunks: Uint8Array[] = []
    for (const chunk of this.#window) {
      if (start >= file.size) chunks.push(chunk)
      start += chunk.length
    }
    return chunks
  }

  /** Forgets the oldest chunks that are in the file. */
  #shrink(file: SpoolFile): void {
    let [first] = this.#window
    while (
      first !== undefined &&
      this.#received - this.#windowStart > WINDOW_BYTES &&
      this.#windowStart + first.length <= file.size
    ) {
      this.#window.shift()
      this.#windowStart += first.length
      first = this.#window[0]
    }
  }
}
