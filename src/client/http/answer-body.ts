import { freeMemoryOf } from '../../lib/free-memory.ts'
import { recycle } from './large-reads.ts'

/** Takes a chunk, whose memory is freed afterwards. No more are read until the promise resolves, if there is one. */
export type TakeChunk = (chunk: Uint8Array) => Promise<void> | undefined

/** What is left of a body that nobody wants is read for this long, to keep its connection. */
const DUMP_MS = 1_000

/** What a body does to its connection. */
export interface BodyController {
  pause(): void
  resume(): void
  /** Ends the connection. */
  abort(error: Error): void
}

/** The bytes of an answer, for one reader. What is not read yet waits at the sender. */
export class AnswerBody implements AsyncIterable<Uint8Array> {
  readonly #controller: BodyController
  readonly #unread: Uint8Array[] = []
  #end: { readonly error?: unknown } | undefined
  /** Tells the reader of a chunk or of the end. */
  #notify: (() => void) | undefined

  constructor(controller: BodyController) {
    this.#controller = controller
  }

  /** The sender's next bytes. After a pause undici passes none at first, which are no reason for another pause. */
  receive(chunk: Uint8Array): void {
    if (this.#end !== undefined || chunk.length === 0) return
    this.#unread.push(chunk)
    this.#notify?.()
    if (this.#unread.length > 0) this.#controller.pause()
  }

  /** @param end with an error if the body is not complete */
  finish(end: { readonly error?: unknown } = {}): void {
    this.#end ??= end
    this.#notify?.()
  }

  /** Ends the body, and its connection if it is not complete. Its reader sees an end, or the error. */
  destroy(error?: unknown): void {
    if (this.#end !== undefined) return
    this.#unread.length = 0
    this.finish(error === undefined ? {} : { error })
    this.#controller.abort(new Error('nobody reads the answer'))
  }

  /** Reads by a function, which is called as the bytes arrive, without a promise for each chunk.
   *  @throws what `take` throws, or what the body failed with */
  passTo(take: TakeChunk): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    let isFull = false
    let taken: Uint8Array | undefined
    const fail = (error: unknown) => {
      reject(error)
      this.destroy()
    }
    const pass = () => {
      try {
        while (!isFull && this.#unread.length > 0) {
          // undici looks at a chunk once more after it was received, so it is freed with the next one.
          if (taken !== undefined && !recycle(taken)) freeMemoryOf(taken)
          taken = this.#unread.shift() as Uint8Array
          const room = take(taken)
          if (room === undefined) continue
          isFull = true
          this.#controller.pause()
          room.then(() => {
            isFull = false
            pass()
          }, fail)
        }
      } catch (error) {
        fail(error)
        return
      }
      if (isFull) return
      if (this.#end === undefined) this.#controller.resume()
      else if ('error' in this.#end) reject(this.#end.error)
      else resolve()
    }
    this.#notify = pass
    pass()
    return promise
  }

  async *[Symbol.asyncIterator](): AsyncGenerator<Uint8Array> {
    try {
      for (;;) {
        const chunk = this.#unread.shift()
        if (chunk !== undefined) yield chunk
        else if (this.#end === undefined) await this.#change()
        else if ('error' in this.#end) throw this.#end.error
        else return
      }
    } finally {
      this.destroy()
    }
  }

  /** Reads the rest if that is little, so that its connection can be used again. Never rejects.
   *  @param limit in bytes */
  async dump(limit: number): Promise<void> {
    const timer = setTimeout(() => this.destroy(), DUMP_MS)
    let size = 0
    const count: TakeChunk = ({ length }) => {
      size += length
      if (size > limit) this.destroy()
      return undefined
    }
    await this.passTo(count).catch(() => undefined)
    clearTimeout(timer)
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#notify = resolve
      this.#controller.resume()
    })
  }
}
