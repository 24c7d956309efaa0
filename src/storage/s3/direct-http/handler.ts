import { Agent as HttpAgent } from 'node:http'
import { Agent as HttpsAgent } from 'node:https'
import { Readable } from 'node:stream'
import { NodeHttpHandler } from '@smithy/node-http-handler'
import { type AnswerHead, UnsupportedResponse } from './answer-head.ts'
import type { Answer, Connection } from './connection.ts'
import { ConnectionPool, type PoolOptions } from './connection-pool.ts'
import { formatRequestHead, type SignedRequest } from './request-head.ts'
import type { Origin } from './socket.ts'

/** The SDK's options of a request. */
export interface DirectOptions {
  abortSignal?: AbortSignal | undefined
  /** True if the body is iterated, and a chunk need be valid only until the next one is requested. */
  chunksAreLent?: boolean
}

type HandlerOptions = Omit<DirectOptions, 'abortSignal'> & Parameters<NodeHttpHandler['handle']>[1]
type Response = Awaited<ReturnType<NodeHttpHandler['handle']>>

/** Sends the SDK's requests like `NodeHttpHandler`. Large bodies are received by `Connection`, which needs less
 *  than half the time; responses that it does not support are requested again with the base class. */
export class DirectHttpHandler extends NodeHttpHandler {
  readonly #connections: ConnectionPool
  /** False once objects came in a form that `Connection` does not support. */
  #isUsual = true

  constructor(options: PoolOptions) {
    const { maxConnections, connectionTimeoutMs, timeoutMs, rejectUnauthorized } = options
    const agentOptions = { keepAlive: true, maxSockets: maxConnections, scheduling: 'lifo' } as const
    super({
      connectionTimeout: connectionTimeoutMs,
      socketTimeout: timeoutMs,
      httpAgent: new HttpAgent(agentOptions),
      httpsAgent: new HttpsAgent({ ...agentOptions, rejectUnauthorized }),
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

  /** Requests by `Connection`. Undefined if the base class must be used; a GET can be sent again. */
  async #ask(request: SignedRequest, options: HandlerOptions): Promise<Answer | undefined> {
    const signal = options.abortSignal as AbortSignal | undefined
    const origin = originOf(request)
    const head = formatRequestHead(request)
    try {
      const idle = this.#connections.takeIdle(origin)
      const answer = idle && (await askUnlessStale(idle, head, signal))
      if (answer !== undefined) return answer
      const fresh = this.#connections.open(origin)
      return fresh && (await ask(fresh, head, signal))
    } catch (error) {
      if (!(error instanceof UnsupportedResponse)) throw error
      if (hasObject(error)) this.#isUsual = false
      return undefined
    }
  }
}

function isDirect({ method, headers, body }: SignedRequest, { chunksAreLent }: HandlerOptions): boolean {
  return chunksAreLent === true && method === 'GET' && !body && !headers.expect
}

function originOf({ protocol, hostname, port }: SignedRequest): Origin {
  const isSecure = protocol === 'https:'
  const host = hostname.replace(/^\[(.*)\]$/, '$1')
  return { host, port: port ?? (isSecure ? 443 : 80), isSecure }
}

function hasObject({ status }: Pick<AnswerHead, 'status'> | UnsupportedResponse): boolean {
  return status === 200 || status === 206
}

/** Sends a request. Undefined if the store has closed the connection meanwhile. RFC 9112 section 9.3.1. */
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

/** Copies the body of an error, whose chunks the SDK keeps. */
async function copyOf(body: AsyncIterable<Buffer>): Promise<Buffer> {
  const pieces: Buffer[] = []
  for await (const chunk of body) pieces.push(Buffer.from(chunk))
  return Buffer.concat(pieces)
}
