import type { IncomingMessage } from 'node:http'
import type { RequestObserver } from '../../core/request-observer.ts'
import { Http2Request } from '../connection/http2.ts'
import type { WholeReply } from '../reply/reply.ts'

/** Collects what a `RequestObserver` is told of one request. Created when the request begins. */
export class ObservedRequest {
  readonly #startedAt = performance.now()
  readonly #request: IncomingMessage
  readonly #observer: RequestObserver
  readonly #resource: string
  readonly #bytesReadBefore: number
  #wholeBytes = 0
  #streamedBytes = 0

  constructor(
    request: IncomingMessage,
    { observer, resource }: { observer: RequestObserver; resource: string },
  ) {
    this.#request = request
    this.#observer = observer
    this.#resource = resource
    this.#bytesReadBefore = isChunked(request) ? request.socket.bytesRead : 0
    observer.begun(resource)
  }

  /** The reply is whole and sent at once. */
  sendsWhole({ headers }: WholeReply): void {
    this.#wholeBytes = Number(headers['content-length'] ?? 0)
  }

  /** Passes the body through and counts the bytes that the client takes. */
  async *counted(body: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
    for await (const chunk of body) {
      yield chunk
      this.#streamedBytes += chunk.length
    }
  }

  /** Reports the end of the request.
   *  @param ended.status the response's status
   *  @param ended.isTaken true if the client took the whole response */
  end({ status, isTaken }: { status: number; isTaken: boolean }): void {
    const { method = '' } = this.#request
    const responseBytes = this.#streamedBytes + (isTaken ? this.#wholeBytes : 0)
    this.#observer.ended(this.#resource, {
      method,
      status,
      seconds: (performance.now() - this.#startedAt) / 1000,
      requestBytes: headerBytes(this.#request) + this.#bodyBytes(),
      responseBytes: method === 'HEAD' ? 0 : responseBytes,
    })
  }

  /** Size of the request's body. Without a length it is the traffic of the connection during the request; for
   *  HTTP/2, the bytes read. */
  #bodyBytes(): number {
    const request = this.#request
    if (!isChunked(request)) return Number(request.headers['content-length'] ?? 0)
    if (request instanceof Http2Request) return request.bodyBytes
    return request.socket.bytesRead - this.#bytesReadBefore
  }
}

function isChunked({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined
}

/** Size of the header without separators, as Distribution counts. */
function headerBytes({ method = '', url = '', rawHeaders }: IncomingMessage): number {
  let bytes = method.length + url.length + 'HTTP/1.1'.length
  for (const part of rawHeaders) bytes += part.length
  return bytes
}
