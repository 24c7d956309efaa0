/** HTTP/2 as the rest of the wire knows HTTP/1.1: requests and responses of Node's compatibility API, made to behave alike
 *  where that API leaves a difference. */
import type { OutgoingHttpHeaders } from 'node:http'
import {
  constants,
  Http2ServerRequest,
  Http2ServerResponse,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2'
import type { HttpLimits } from './settings.ts'

/** It has a `Host` like any other request, and its body fails when the client leaves, where Node's ends as if that had
 *  been all of it. */
export class Http2Request extends Http2ServerRequest {
  constructor(...[stream, headers, ...rest]: ConstructorParameters<typeof Http2ServerRequest>) {
    headers.host ??= headers[':authority']
    super(stream, headers, ...rest)
  }

  override async *iterator(options?: { destroyOnReturn?: boolean }): AsyncGenerator<Buffer> {
    yield* super.iterator(options)
    if (this.aborted || this.stream.destroyed) throw new Error('the stream was closed before its end')
  }
}

/** What is used of Node's response, which its types call a Writable although it is none. */
interface CompatibilityResponse {
  readonly stream: ServerHttp2Stream & { readonly headRequest: boolean }
  readonly req: Http2Request
  readonly writableFinished: boolean
  writeHead(status: number, headers: OutgoingHttpHeaders): this
  write(chunk: Uint8Array, onTaken?: OnTaken): boolean
  end(body?: string | Uint8Array): this
  destroy(): void
}
type OnTaken = (error?: Error | null) => void

const NodeResponse = Http2ServerResponse as unknown as new (
  stream: ServerHttp2Stream,
) => CompatibilityResponse

export class Http2Response extends NodeResponse {
  /** Node ends a stream that was broken off. */
  override get writableFinished(): boolean {
    return super.writableFinished && !this.stream.aborted
  }

  override writeHead(status: number, headers: OutgoingHttpHeaders): this {
    return super.writeHead(status, fitForHttp2(headers))
  }

  /** Whatever becomes of the stream, `onTaken` is told when the chunk's memory is free again. */
  override write(chunk: Uint8Array, onTaken?: OnTaken): boolean {
    if (!this.stream.destroyed && !this.stream.writableEnded) return super.write(chunk, onTaken)
    if (onTaken !== undefined) process.nextTick(onTaken, new Error('the stream is closed'))
    return false
  }

  /** An answer to HEAD has no body. A client that still sends learns that no more is wanted: RFC 9113 section 8.1. */
  override end(body?: string | Uint8Array): this {
    const { stream, req } = this
    stream.once('finish', () => {
      if (!stream.endAfterHeaders && !req.readableEnded) stream.close(constants.NGHTTP2_NO_ERROR)
    })
    return stream.headRequest ? super.end() : super.end(body)
  }

  /** For an answer that broke off: the client must not take it for whole. */
  override destroy(): void {
    this.stream.close(constants.NGHTTP2_INTERNAL_ERROR)
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
/** How much a client may send ahead in one stream, and in all streams of a connection. */
const STREAM_WINDOW_BYTES = MIB
const CONNECTION_WINDOW_BYTES = 8 * MIB
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

/** Bounds how long a connection may be silent: before its first request, and between two. One on which something is still
 *  to be sent is left to that: streams that stall are ended one by one, and then it is silent. */
export function limitSession(session: ServerHttp2Session, limits: HttpLimits): void {
  session.setLocalWindowSize(CONNECTION_WINDOW_BYTES)
  const silentMs = { first: limits.headerTimeoutSeconds * 1000, later: limits.keepAliveSeconds * 1000 }
  session.once('stream', () => session.setTimeout(silentMs.later))
  session.setTimeout(silentMs.first, () => {
    if (session.closed) session.destroy()
    else {
      session.close()
      session.setTimeout(silentMs.first)
    }
  })
}
