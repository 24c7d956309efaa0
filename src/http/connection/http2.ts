/** HTTP/2 as the rest of the wire knows HTTP/1.1: requests and responses of Node's compatibility API, made to behave alike
 *  where that API leaves a difference. */
import type { OutgoingHttpHeaders } from 'node:http'
import { constants, Http2ServerRequest, Http2ServerResponse, type ServerHttp2Stream } from 'node:http2'
import type { HttpLimits } from '../settings.ts'

/** Its headers say whom it is for and whether it has a body in the words of HTTP/1.1; and its body fails when the client
 *  leaves, where Node's ends as if that had been all of it. */
export class Http2Request extends Http2ServerRequest {
  /** When something of the exchange has last gone in or out, by `performance.now()`. */
  movedAt = performance.now()
  /** How many bytes of its body were read. */
  bodyBytes = 0
  /** Its client has sent all of it. */
  isWhole: boolean

  constructor(...[stream, headers, ...rest]: ConstructorParameters<typeof Http2ServerRequest>) {
    headers.host ??= headers[':authority']
    // No client may send this one (RFC 9113 section 8.2.2), so that it can't be mistaken.
    if (headers['content-length'] === undefined && !stream.endAfterHeaders) {
      headers['transfer-encoding'] = 'chunked'
    }
    super(stream, headers, ...rest)
    this.isWhole = stream.endAfterHeaders
    // Whoever reads the body is told by the iterator.
    this.on('error', () => {})
  }

  override async *iterator(options?: { destroyOnReturn?: boolean }): AsyncGenerator<Buffer> {
    for await (const chunk of super.iterator(options) as AsyncIterable<Buffer>) {
      this.movedAt = performance.now()
      this.bodyBytes += chunk.length
      yield chunk
    }
    if (this.aborted || this.stream.destroyed) throw new Error('the stream was closed before its end')
    this.isWhole = true
  }
}

/** What is used of Node's response, which its types call a Writable although it is none. */
interface CompatibilityResponse {
  readonly stream: ServerHttp2Stream & { readonly headRequest: boolean }
  readonly req: Http2Request
  readonly headersSent: boolean
  readonly writableEnded: boolean
  readonly writableFinished: boolean
  readonly writableLength: number
  writeContinue(): void
  writeHead(status: number, headers?: OutgoingHttpHeaders): this
  write(chunk: Uint8Array, onTaken?: OnTaken): boolean
  end(): this
  destroy(): void
}
type OnTaken = (error?: Error | null) => void

const NodeResponse = Http2ServerResponse as unknown as new (
  stream: ServerHttp2Stream,
) => CompatibilityResponse

/** A body goes out in pieces, one after the other, because that a piece has gone is all that tells of a stream whether it
 *  moves; even at the slowest that is tolerated, one is gone within the time that a stall may take. */
const PIECE_BYTES = 16 * 1024

/** How long after its answer a client may go on sending. */
const UNWANTED_MS = 1_000

export class Http2Response extends NodeResponse {
  #unwritten = 0

  /** Node ends a stream that was broken off, and one that asks for no body before it is answered. An answer without a body
   *  counts as sent while it still waits for its turn; a reset that comes before that ends the stream in its place. */
  override get writableFinished(): boolean {
    const { stream, req } = this
    const isReset = req.isWhole && stream.rstCode !== constants.NGHTTP2_NO_ERROR
    return super.writableFinished && this.headersSent && !stream.aborted && !isReset
  }

  override get writableLength(): number {
    return super.writableLength + this.#unwritten
  }

  /** A client that has left is not told to go on; Node would throw. */
  override writeContinue(): void {
    if (!this.stream.closed) super.writeContinue()
  }

  /** Node calls it by itself, without headers, for an answer that is ended before it was begun: of a stream that was closed
   *  meanwhile. */
  override writeHead(status: number, headers: OutgoingHttpHeaders = {}): this {
    return super.writeHead(status, fitForHttp2(headers))
  }

  /** Whatever becomes of the stream, `onTaken` is told when the chunk's memory is free again. */
  override write(chunk: Uint8Array, onTaken?: OnTaken): boolean {
    const piece = chunk.subarray(0, PIECE_BYTES)
    this.#unwritten = chunk.length - piece.length
    return this.#writePiece(piece, (error) => {
      this.req.movedAt = performance.now()
      if (error || this.#unwritten === 0) onTaken?.(error)
      else this.#writeRest(chunk.subarray(piece.length), onTaken)
    })
  }

  /** An answer to HEAD has no body. A client that still sends learns that no more is wanted: RFC 9113 section 8.1. */
  override end(body: string | Uint8Array = ''): this {
    const { stream, req } = this
    if (!stream.endAfterHeaders && !req.complete) {
      // Not at once: it would overtake the end of the answer.
      const timer = setTimeout(() => req.complete || stream.close(constants.NGHTTP2_NO_ERROR), UNWANTED_MS)
      stream.once('close', () => clearTimeout(timer))
    }
    if (body.length === 0 || stream.headRequest) return super.end()
    this.write(Buffer.from(body as Uint8Array), (error) => error ?? super.end())
    return this
  }

  /** Calls when nothing of this exchange has moved for a time, in whichever direction. Node would count what moves in
   *  others on the same connection. */
  setTimeout(milliseconds: number, onTimeout: () => void): void {
    const timer = setInterval(() => {
      if (performance.now() - this.req.movedAt >= milliseconds) onTimeout()
    }, milliseconds / 4)
    this.stream.once('close', () => clearInterval(timer))
    if (this.stream.destroyed) clearInterval(timer)
  }

  /** For an answer that broke off: the client must not take it for whole. */
  override destroy(): void {
    this.stream.close(constants.NGHTTP2_INTERNAL_ERROR)
    // An answer to HEAD is over for Node only when it was ended.
    if (!this.writableEnded) super.end()
  }

  #writeRest(rest: Uint8Array, onTaken?: OnTaken): void {
    Http2Response.prototype.write.call(this, rest, onTaken)
  }

  #writePiece(piece: Uint8Array, onTaken: OnTaken): boolean {
    if (!this.stream.destroyed && !this.stream.writableEnded) return super.write(piece, onTaken)
    process.nextTick(onTaken, new Error('the stream is closed'))
    return false
  }
}

/** In the clear, a part of a chunk may still wait for the socket when its stream is done with it; its memory, which
 *  another answer has filled by then, would go out. TLS has it encrypted before. */
export class ClearHttp2Response extends Http2Response {
  override write(chunk: Uint8Array, onTaken?: OnTaken): boolean {
    return super.write(Buffer.from(chunk), onTaken)
  }
}

/** RFC 9113 section 8.2.2: what is about the connection is no header here. */
const CONNECTION_HEADERS = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
])

/** A list of values is sent as one (RFC 9110 section 5.3), because Node refuses lists for many names. */
function fitForHttp2(headers: OutgoingHttpHeaders): OutgoingHttpHeaders {
  const fit: OutgoingHttpHeaders = {}
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || CONNECTION_HEADERS.has(name)) continue
    fit[name] = Array.isArray(value) && name !== 'set-cookie' ? value.join(', ') : value
  }
  return fit
}

const MIB = 1024 ** 2
/** How much a client may send ahead in one stream. */
const STREAM_WINDOW_BYTES = MIB
const MAX_STREAMS = 250

/** What every HTTP/2 server of ours is made with. */
export function http2Options({ maxHeaderBytes }: HttpLimits) {
  return {
    settings: {
      initialWindowSize: STREAM_WINDOW_BYTES,
      maxConcurrentStreams: MAX_STREAMS,
      maxHeaderListSize: maxHeaderBytes,
    },
    Http2ServerRequest: Http2Request,
    Http2ServerResponse: Http2Response as unknown as typeof Http2ServerResponse<Http2Request>,
  }
}
