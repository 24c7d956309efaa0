import { Readable } from 'node:stream'
import { NodeHttpHandler, type NodeHttpHandlerOptions } from '@smithy/node-http-handler'
import { type AnswerHead, UnsupportedResponse } from './answer-head.ts'
import type { Answer, Connection } from './connection.ts'
import { ConnectionPool, type PoolOptions } from './connection-pool.ts'
import { formatRequestHead, type SignedRequest } from './request-head.ts'

/** What a request of the SDK is made with. */
export interface DirectOptions {
  abortSignal?: AbortSignal | undefined
  /** True where the answer's body is iterated, by somebody for whom a chunk need be valid only until the next one is asked
   *  for. */
  chunksAreLent?: boolean
}

type HandlerOptions = Omit<DirectOptions, 'abortSignal'> & Parameters<NodeHttpHandler['handle']>[1]
type Response = Awaited<ReturnType<NodeHttpHandler['handle']>>

/** Sends the SDK's requests as `NodeHttpHandler` does. What is large and not encrypted comes by a way of our own, which takes less
 *  than half the time; an answer that this way does not know is asked for again by the ordinary one. */
export class DirectHttpHandler extends NodeHttpHandler {
  readonly #connections: ConnectionPool
  /** False once objects came in a form that only the ordinary way knows. */
  #isUsual = true

  constructor(options: NodeHttpHandlerOptions & PoolOptions) {
    super({
      ...options,
      connectionTimeout: options.connectionTimeoutMs,
      socketTimeout: options.timeoutMs,
    })
    this.#connections = new ConnectionPool(options)
  }

  override async handle(request: SignedRequest, options: HandlerOptions = {}): Promise<Response> {
    const answer = this.#isUsual && isDirect(request, options) ? await this.#ask(request, options) : undefined
    if (answer === undefined) return super.handle(request, options)
    const { head, body } = answer
    const isObject = hasObject(head)
    return {
      response: {
        statusCode: head.status,
        reason: head.reason,
        headers: head.headers,
        body: isObject ? body : Readable.from([await copyOf(body)]),
      },
    }
  }

  override destroy(): void {
    super.destroy()
    this.#connections.destroy()
  }

  /** Undefined where it is to be asked in the ordinary way: a GET may be sent again. */
  async #ask(request: SignedRequest, options: HandlerOptions): Promise<Answer | undefined> {
    const signal = options.abortSignal as AbortSignal | undefined
    const host = request.hostname.replace(/^\[(.*)\]$/, '$1')
    const port = request.port ?? 80
    const head = formatRequestHead(request)
    try {
      const idle = this.#connections.takeIdle(host, port)
      const answer = idle && (await askUnlessStale(idle, head, signal))
      if (answer !== undefined) return answer
      const fresh = this.#connections.open(host, port)
      return fresh && (await ask(fresh, head, signal))
    } catch (error) {
      if (!(error instanceof UnsupportedResponse)) throw error
      if (hasObject(error)) this.#isUsual = false
      return undefined
    }
  }
}

function isDirect({ protocol, method, headers, body }: SignedRequest, { chunksAreLent }: HandlerOptions) {
  return chunksAreLent === true && protocol === 'http:' && method === 'GET' && !body && !headers.expect
}

function hasObject({ status }: Pick<AnswerHead, 'status'> | UnsupportedResponse): boolean {
  return status === 200 || status === 206
}

/** Undefined when the store has closed the connection meanwhile. RFC 9112 section 9.3.1. */
async function askUnlessStale(
  connection: Connection,
  head: string,
  signal: AbortSignal | undefined,
): Promise<Answer | undefined> {
  try {
    return await ask(connection, head, signal)
  } catch (error) {
    if (['ECONNRESET', 'EPIPE'].includes((error as NodeJS.ErrnoException).code ?? '')) return undefined
    throw error
  }
}

async function ask(connection: Connection, head: string, signal: AbortSignal | undefined): Promise<Answer> {
  const abort = () => {
    const cause = signal?.reason
    connection.destroy(Object.assign(new Error('Request aborted', { cause }), { name: 'AbortError' }))
  }
  signal?.addEventListener('abort', abort, { once: true })
  try {
    const answer = connection.ask(head)
    if (signal?.aborted === true) abort()
    return await answer
  } finally {
    signal?.removeEventListener('abort', abort)
  }
}

/** Of the body of an error, which the SDK keeps piece by piece. */
async function copyOf(body: AsyncIterable<Buffer>): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const chunk of body) pieces.push(Buffer.from(chunk))
  return Buffer.concat(pieces)
}
