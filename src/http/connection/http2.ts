/** HTTP/2 requests and responses of Node's compatibility API, with the remaining differences to HTTP/1.1
 *  removed. */
import type { OutgoingHttpHeaders } from 'node:http'
import { constants, Http2ServerRequest, Http2ServerResponse, type ServerHttp2Stream } from 'node:http2'
import type { HttpLimits } from '../settings.ts'

/** Provides `host` and the headers of a body as in HTTP/1.1. Its body fails if the client leaves; Node's
 *  would end as if complete. */
export class Http2Request extends Http2ServerRequest {
  /** Time of the last byte in or out, by `performance.now()`. */
  movedAt = performance.now()
  /** Bytes of the body read so far. */
  bodyBytes = 0
  /** True once the client has sent all of it. */
  isWhole: boolean

  constructor(...[stream, headers, ...rest]: ConstructorParameters<typeof Http2ServerRequest>) {
    headers.host ??= headers[':authority']
    // HTTP/2 clients may not send this header (RFC 9113 section 8.2.2), so it is unambiguous.
    if (headers['content-length'] === undefined && !stream.endAfterHeaders) {
      headers['transfer-encoding'] = 'chunked'
    }
    super(stream, headers, ...rest)
    this.isWhole = stream.endAfterHeaders
    // A reader of the body gets the error from the iterator.
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

/** The used part of Node's response. Its type claims to be a Writable, which it is not. */
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

/** Chunks are sent in parts, one after the other, because only a sent part shows that a stream moves. At the
 *  slowest allowed throughput one part is sent within the stall time. */
const PIECE_BYTES = 16 * 1024

/** Time for which a client may go on sending after the response. */
const UNWANTED_MS = 1_000

export class Http2Response extends NodeResponse {
  #unwritten = 0

  /** True once the response was sent. Node also finishes responses of aborted streams, and responses without
   *  a body before they are sent: a reset may end the stream first. */
  override get writableFinished(): boolean {
    const { stream, req } = this
    const isReset = req.isWhole && stream.rstCode !== constants.NGHTTP2_NO_ERROR
    return super.writableFinished && this.headersSent && !stream.aborted && !isReset
  }

  override get writableLength(): number {
    return super.writableLength + this.#unwritten
  }

  /** Skipped if the client has left: Node would throw. */
  override writeContinue(): void {
    if (!this.stream.closed) super.writeContinue()
  }

  /** Node calls it without headers if a response ends before it began, on a stream that was closed. */
  override writeHead(status: number, headers: OutgoingHttpHeaders = {}): this {
    return super.writeHead(status, fitForHttp2(headers))
  }

  /** Writes a chunk. `onTaken` is called once the chunk's memory is free again, even if the stream fails. */
  override write(chunk: Uint8Array, onTaken?: OnTaken): boolean {
    const piece = chunk.subarray(0, PIECE_BYTES)
    this.#unwritten = chunk.length - piece.length
    return this.#writePiece(piece, (error) => {
      this.req.movedAt = performance.now()
      if (error || this.#unwritten === 0) onTaken?.(error)
      else this.#writeRest(chunk.subarray(piece.length), onTaken)
    })
  }

  /** Ends the response. One to HEAD has no body. A client that still sends is told to stop: RFC 9113 section
   *  8.1. */
  override end(body: string | Uint8Array = ''): this {
    const { stream, req } = this
    if (!stream.endAfterHeaders && !req.complete) {
      // Delayed, because the reset would overtake the end of the response.
      const timer = setTimeout(() => req.complete || stream.close(constants.NGHTTP2_NO_ERROR), UNWANTED_MS)
      stream.once('close', () => clearTimeout(timer))
    }
    if (body.length === 0 || stream.headRequest) return super.end()
    this.write(Buffer.from(body as Uint8Array), (error) => error ?? super.end())
    return this
  }

  /** Calls back once nothing has moved in either direction for a time. Node's own would also count other
   *  streams of the connection. */
  setTimeout(milliseconds: number, onTimeout: () => void): void {
    const timer = setInterval(() => {
      if (performance.now() - this.req.movedAt >= milliseconds) onTimeout()
    }, milliseconds / 4)
    this.stream.once('close', () => clearInterval(timer))
    if (this.stream.destroyed) clearInterval(timer)
  }

  /** Resets the stream of an aborted response, so that the client does not take it for complete. */
  override destroy(): void {
    this.stream.close(constants.NGHTTP2_INTERNAL_ERROR)
    // Node closes a response to HEAD only after `end`.
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

/** Copies chunks without TLS: part of a chunk may still wait for the socket after its stream has closed, and
 *  its buffer may then hold another response. TLS encrypts it before. */
export class ClearHttp2Response extends Http2Response {
  override write(chunk: Uint8Array, onTaken?: OnTaken): boolean {
    return super.write(Buffer.from(chunk), onTaken)
  }
}

/** Connection-specific headers, which HTTP/2 forbids. RFC 9113 section 8.2.2. */
const CONNECTION_HEADERS = new Set([
  'connection',
  'keep-alive',
  'proxy-connection',
  'transfer-encoding',
  'upgrade',
])

/** Joins lists of values (RFC 9110 section 5.3), because Node rejects lists for many names. */
function fitForHttp2(headers: OutgoingHttpHeaders): OutgoingHttpHeaders {
  const fit: OutgoingHttpHeaders = {}
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || CONNECTION_HEADERS.has(name)) continue
    fit[name] = Array.isArray(value) && name !== 'set-cookie' ? value.join(', ') : value
  }
  return fit
}

const MIB = 1024 ** 2
/** Flow-control window of one stream. */
const STREAM_WINDOW_BYTES = MIB
const MAX_STREAMS = 250

/** Options of every HTTP/2 server. */
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
