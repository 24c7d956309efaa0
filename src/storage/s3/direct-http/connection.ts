import type { Socket } from 'node:net'
import type { BufferPool } from '../../buffer-pool.ts'
import { AnswerBody } from './answer-body.ts'
import { type AnswerHead, parseAnswerHead, UnsupportedResponse } from './answer-head.ts'
import { BufferRing } from './buffer-ring.ts'
import { GatheredPieces } from './gathered-pieces.ts'
import { type Origin, openPlain, openSecure, type SecurityOptions } from './socket.ts'

/** Node's limit. */
const MAX_HEAD_BYTES = 16 * 1024

const END_OF_HEAD = '\r\n\r\n'

export interface Answer {
  readonly head: AnswerHead
  readonly body: AnswerBody
}

export interface ConnectionOptions extends SecurityOptions {
  readonly origin: Origin
  readonly connectionTimeoutMs: number
  /** Idle timeout. */
  readonly timeoutMs: number
  readonly buffers: BufferPool
  /** Called when the next request may be sent. */
  readonly onIdle: () => void
  readonly onClose: () => void
}

/** A connection to the store, for one request at a time. The bytes are received into reusable buffers: the
 *  connection's own for heads, the body's for the rest. With `node:http` every 64 KiB would cost a new buffer,
 *  and more than twice the CPU time. */
export class Connection {
  readonly origin: Origin
  readonly #options: ConnectionOptions
  readonly #socket: Socket
  readonly #headBuffer = Buffer.allocUnsafeSlow(MAX_HEAD_BYTES)
  #headLength = 0
  #asked: PromiseWithResolvers<Answer> | undefined
  #body: AnswerBody | undefined
  #isLast = false
  #isConnected = false
  #error: Error | undefined

  constructor(options: ConnectionOptions) {
    const { origin, connectionTimeoutMs } = options
    this.origin = origin
    this.#options = options
    const receiver = { space: () => this.#space(), take: (count: number) => this.#take(count) }
    this.#socket = origin.isSecure ? openSecure(origin, receiver, options) : openPlain(origin, receiver)
    this.#socket
      .setTimeout(connectionTimeoutMs)
      .once(origin.isSecure ? 'secureConnect' : 'connect', () => this.#begin())
      .on('timeout', () => this.#giveUp())
      .on('error', (error) => {
        this.#error = error
      })
      .once('close', () => this.#end())
  }

  /** Sends a request without a body. The response's body must be read to its end, or destroyed.
   *  @throws UnsupportedResponse; errors with a `code`; one named TimeoutError */
  ask(head: string): Promise<Answer> {
    this.#asked = Promise.withResolvers()
    this.#socket.ref()
    this.#socket.write(head, 'latin1')
    return this.#asked.promise
  }

  destroy(error?: Error): void {
    this.#socket.destroy(error)
  }

  #begin(): void {
    this.#isConnected = true
    this.#socket.setTimeout(this.#options.timeoutMs)
  }

  /** The place of the next bytes. */
  #space(): Buffer {
    return this.#body?.space() ?? this.#headBuffer.subarray(this.#headLength)
  }

  /** Takes received bytes. True if more may follow. */
  #take(count: number): boolean {
    if (this.#body !== undefined) this.#takeOfBody(this.#body, count)
    else this.#takeOfHead(count)
    return !this.#isFull()
  }

  /** True while nothing more should be received, because of the consumer. */
  #isFull(): boolean {
    return this.#body?.isFull === true
  }

  #takeOfHead(count: number): void {
    this.#headLength += count
    if (this.#asked === undefined) this.destroy()
    else this.#takeHead(this.#asked)
  }

  #takeHead(asked: PromiseWithResolvers<Answer>): void {
    const received = this.#headBuffer.subarray(0, this.#headLength)
    const end = received.indexOf(END_OF_HEAD)
    if (end === -1 && received.length < MAX_HEAD_BYTES) return
    try {
      if (end === -1) throw new UnsupportedResponse()
      const head = parseAnswerHead(received.toString('latin1', 0, end))
      const rest = received.subarray(end + END_OF_HEAD.length)
      if (head === undefined) this.#takeNextHead(asked, rest)
      else this.#beginBody(asked, head, rest)
    } catch (error) {
      this.destroy(error as Error)
    }
  }

  /** Takes the bytes after an interim response. */
  #takeNextHead(asked: PromiseWithResolvers<Answer>, rest: Buffer): void {
    this.#headLength = rest.copy(this.#headBuffer)
    this.#takeHead(asked)
  }

  #beginBody(asked: PromiseWithResolvers<Answer>, head: AnswerHead, rest: Buffer): void {
    const source = { resume: () => this.#resume(), abandon: () => this.destroy() }
    const { buffers } = this.#options
    const memory = this.origin.isSecure ? new GatheredPieces(buffers) : new BufferRing(buffers)
    const body = new AnswerBody(head.contentLength, { source, memory })
    this.#asked = undefined
    this.#body = body
    this.#headLength = 0
    this.#isLast = head.isLast || rest.length > head.contentLength
    this.#copyToBody(body, rest.subarray(0, head.contentLength))
    asked.resolve({ head, body })
  }

  /** Takes the bytes after the head. */
  #copyToBody(body: AnswerBody, bytes: Buffer): void {
    let rest = bytes
    do {
      const count = rest.copy(body.space())
      this.#takeOfBody(body, count)
      rest = rest.subarray(count)
    } while (rest.length > 0)
  }

  #takeOfBody(body: AnswerBody, count: number): void {
    const surplus = body.receive(count)
    if (!body.isComplete) return
    this.#body = undefined
    if (this.#isLast || surplus > 0) this.destroy()
    else this.#rest()
  }

  #rest(): void {
    // Idle connections do not keep the process alive.
    this.#socket.unref()
    // The end of the body may have come while it was full.
    this.#resume()
    this.#options.onIdle()
  }

  #resume(): void {
    this.#socket.setTimeout(this.#options.timeoutMs).resume()
  }

  #giveUp(): void {
    // The consumer has stopped, not the store.
    if (this.#isFull()) return
    const message = this.#isConnected ? 'the store does not answer' : 'no connection to the store'
    this.destroy(Object.assign(new Error(message), { name: 'TimeoutError' }))
  }

  #end(): void {
    const error =
      this.#error ?? Object.assign(new Error('the store closed the connection'), { code: 'ECONNRESET' })
    this.#asked?.reject(error)
    this.#body?.fail(error)
    this.#asked = this.#body = undefined
    this.#options.onClose()
  }
}
