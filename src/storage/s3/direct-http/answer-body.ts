import { Readable } from 'node:stream'

/** The source of the body's bytes. */
export interface BodySource {
  /** Continues after the body was full. */
  resume(): void
  /** Called if the body is abandoned before its end. */
  abandon(): void
}

/** The memory of a body: its bytes are received into buffers, and lent to the consumer in chunks. */
export interface BodyMemory {
  /** True while nothing more should be received, because of the consumer. */
  readonly isFull: boolean
  /** True if the next chunk would not grow by waiting. */
  readonly hasWholeChunk: boolean
  /** The place of the next bytes; it stays the same until bytes are added.
   *  @param missing number of bytes of the body that are yet to come */
  space(missing: number): Buffer
  /** Adds the bytes that were written to the beginning of `space`. */
  add(count: number): void
  /** Lends the next chunk, until `release`. Undefined if there is none. */
  lend(): Buffer | undefined
  /** Takes back the chunk that is lent, if any. */
  release(): void
  /** Drops everything but the chunk that is lent. Nothing may be added any more. */
  clear(): void
}

/** A body of known length, in reusable buffers: **a chunk is valid only until the next one is requested.** A
 *  `Readable` because the SDK requires one; it can only be iterated and destroyed. */
export class AnswerBody extends Readable {
  readonly #source: BodySource
  readonly #memory: BodyMemory
  /** Number of missing bytes. */
  #missing: number
  #failure: Error | undefined
  #wake = () => {}
  #waking: NodeJS.Immediate | undefined

  constructor(length: number, { source, memory }: { source: BodySource; memory: BodyMemory }) {
    super()
    this.#missing = length
    this.#source = source
    this.#memory = memory
    // The iterator throws the error.
    this.on('error', () => {})
  }

  get isComplete(): boolean {
    return this.#missing === 0
  }

  /** True while nothing more should be received, because of the consumer. */
  get isFull(): boolean {
    return this.#memory.isFull
  }

  /** The place of the next bytes. */
  space(): Buffer {
    return this.#memory.space(this.#missing)
  }

  /** Receives bytes that were written to the beginning of `space`.
   *  @returns number of bytes beyond the body's end */
  receive(count: number): number {
    const own = Math.min(count, this.#missing)
    if (own > 0) {
      this.#missing -= own
      this.#memory.add(own)
      if (this.isComplete || this.#memory.hasWholeChunk) this.#wake()
      else this.#wakeSoon()
    }
    return count - own
  }

  /** Ends the body with an error, after the bytes received so far. */
  fail(error: Error): void {
    this.#failure ??= error
    this.#wake()
  }

  override async *[Symbol.asyncIterator](): AsyncGenerator<Buffer, undefined> {
    try {
      for (let chunk = await this.#next(); chunk !== undefined; chunk = await this.#next()) {
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
    // The consumer's chunk is released later: the body may be destroyed by another caller.
    this.#memory.clear()
    this.#wake()
    callback(error)
  }

  /** Undefined at the end. */
  async #next(): Promise<Buffer | undefined> {
    for (;;) {
      const chunk = this.#memory.lend()
      if (chunk !== undefined) return chunk
      if (this.isComplete && !this.destroyed) return undefined
      if (this.#failure !== undefined) throw this.#failure
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
    }
  }

  /** Wakes the consumer once what has arrived by now is received. */
  #wakeSoon(): void {
    this.#waking ??= setImmediate(() => {
      this.#waking = undefined
      this.#wake()
    })
  }

  #release(): void {
    const wasFull = this.isFull
    this.#memory.release()
    if (wasFull && !this.isFull && !this.isComplete && !this.destroyed) this.#source.resume()
  }
}
