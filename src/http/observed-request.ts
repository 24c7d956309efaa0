import type { IncomingMessage, ServerResponse } from 'node:http'
import type { RequestObserver } from '../core/request-observer.ts'
import type { Context } from './context.ts'
import type { WholeReply } from './reply.ts'

/** What is told to an observer of a request, gathered on its way. Made when the request begins; the end of the answer
 *  is its own end, whichever way it comes. */
export class ObservedRequest {
  readonly #startedAt = performance.now()
  readonly #request: IncomingMessage
  readonly #response: ServerResponse
  readonly #bytesReadBefore: number
  #responseBytes = 0

  constructor(
    context: Pick<Context, 'request' | 'response' | 'whenClosed'>,
    { observer, resource }: { observer: RequestObserver; resource: string },
  ) {
    const { request, response } = context
    this.#request = request
    this.#response = response
    this.#bytesReadBefore = isChunked(request) ? request.socket.bytesRead : 0
    observer.begun(resource)
    context.whenClosed(() => this.#end(observer, resource))
  }

  /** The answer is at hand and goes out at once. */
  sendsWhole({ headers }: WholeReply): void {
    this.#responseBytes = Number(headers['content-length'] ?? 0)
  }

  /** The body as it is; its bytes count as the client takes them. */
  async *counted(body: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array> {
    for await (const chunk of body) {
      yield chunk
      this.#responseBytes += chunk.length
    }
  }

  #end(observer: RequestObserver, resource: string): void {
    const { method = '' } = this.#request
    observer.ended(resource, {
      method,
      status: this.#response.headersSent ? this.#response.statusCode : CLIENT_LEFT,
      seconds: (performance.now() - this.#startedAt) / 1000,
      requestBytes: headerBytes(this.#request) + this.#bodyBytes(),
      responseBytes: method === 'HEAD' ? 0 : this.#responseBytes,
    })
  }

  /** Of a body without a length, what came over the connection while the request ran. */
  #bodyBytes(): number {
    const { headers, socket } = this.#request
    if (isChunked(this.#request)) return socket.bytesRead - this.#bytesReadBefore
    return Number(headers['content-length'] ?? 0)
  }
}

/** What nginx and Distribution say where nobody was left to take an answer. */
const CLIENT_LEFT = 499

function isChunked({ headers }: IncomingMessage): boolean {
  return headers['transfer-encoding'] !== undefined
}

/** Without what separates them, as Distribution counts. */
function headerBytes({ method = '', url = '', rawHeaders }: IncomingMessage): number {
  let bytes = method.length + url.length + 'HTTP/1.1'.length
  for (const part of rawHeaders) bytes += part.length
  return bytes
}
