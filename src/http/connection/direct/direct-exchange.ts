import { type IncomingMessage, ServerResponse } from 'node:http'
import type { Socket } from 'node:net'
import { DirectBody, setDirectBody } from './direct-body.ts'
import { ChunkedFraming, type Framing, FramingError, LengthFraming } from './framing.ts'

export interface DirectExchangeOptions {
  readonly socket: Socket
  /** What has arrived behind the request's head. */
  readonly received: Buffer
  /** What the client asks for: RFC 9112 section 9.3. */
  readonly shouldKeepAlive: boolean
  /** Named to the client. */
  readonly keepAliveMs: number
  /** Called once if the client frames the body wrongly. */
  readonly onMalformed: (error: FramingError) => void
  /** Called once all of the request has arrived and the response was sent.
   *  @param after.rest what the client has sent since
   *  @param after.isLast true if the connection ends with it */
  readonly onEnd: (after: { rest: Buffer; isLast: boolean }) => void
}

/** A request whose body is read from the connection, and its response. The connection knows of nothing else meanwhile. */
export class DirectExchange {
  readonly response: ServerResponse
  readonly #socket: Socket
  readonly #body: DirectBody
  readonly #options: DirectExchangeOptions
  #isSent = false

  constructor(request: IncomingMessage, options: DirectExchangeOptions) {
    const { socket, received, shouldKeepAlive, keepAliveMs } = options
    this.#options = options
    this.#socket = socket
    const response = new ServerResponse(request)
    response.shouldKeepAlive = shouldKeepAlive
    // As Node's server does, for the header Keep-Alive.
    Object.assign(response, { _keepAliveTimeout: keepAliveMs })
    response.assignSocket(socket)
    response.once('finish', this.#onFinish)
    this.response = response
    for (const [event, listener] of this.#listeners) socket.on(event, listener)
    this.#body = new DirectBody(socket, {
      framing: framingOf(request),
      received,
      onEnd: (failure) => this.#bodyEnds(failure),
    })
    setDirectBody(request, this.#body)
  }

  readonly #onFinish = () => {
    const { response } = this
    response.detachSocket(this.#socket)
    process.nextTick(() => response.emit('close'))
    this.#isSent = true
    if (this.#body.isComplete) this.#end()
  }

  #bodyEnds(failure: Error | undefined): void {
    if (failure instanceof FramingError) this.#options.onMalformed(failure)
    else if (failure === undefined && this.#isSent) this.#end()
  }

  readonly #listeners: readonly (readonly [string, () => void])[] = [
    ['error', () => this.#socket.destroy()],
    ['close', () => this.#body.fail(new Error('the connection was closed'))],
    [
      'end',
      () => {
        this.#body.fail(new Error('the client has left'))
        this.#socket.end()
      },
    ],
    ['timeout', () => this.response.emit('timeout', this.#socket)],
  ]

  #end(): void {
    const { response } = this
    for (const [event, listener] of this.#listeners) this.#socket.removeListener(event, listener)
    // Set by Node for a response that says that the connection closes.
    const isLast = (response as { _last?: boolean })._last === true || !response.shouldKeepAlive
    this.#options.onEnd({ rest: this.#body.rest, isLast })
  }
}

function framingOf({ headers }: IncomingMessage): Framing {
  if (headers['transfer-encoding'] !== undefined) return new ChunkedFraming()
  return new LengthFraming(Number(headers['content-length']))
}
