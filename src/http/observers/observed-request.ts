import type { IncomingMessage } from 'node:http'
import type { RequestObserver } from '../../core/request-observer.ts'
import { Http2Request } from '../connection/http2.ts'
import type { WholeReply } from '../reply/reply.ts'

/** What is told to an observer of a request, gathered on its way. Made when the request begins. */
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

  /** The answer is at hand and goes out at once. */
  sendsWhole({ headers }: WholeReply): void {
    this.#wholeBytes = Number(headers['content-length'] ?? 0)
  }

  /** The body as it is; its bytes count as the client takes them. */
  async *counted(body: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
    for await (const chunk of body) {
      yield chunk
      this.#streamedBytes += chunk.length
    }
  }

  /** @param ended.status what the client was answered
   *  @param ended.isTaken whether it took the whole answer */
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

  /** Of a body without a length, what came over the connection while the request ran; of one that shares its connection,
   *  what was read of it. */
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

/** Without what separates them, as Distribution counts. */
function headerBytes({ method = '', url = '', rawHeaders }: IncomingMessage): number {
  let bytes = method.length + url.length + 'HTTP/1.1'.length
  for (const part of rawHeaders) bytes += part.length
  return bytes
}
