import {
  type ClientRequest,
  Agent as HttpAgent,
  type IncomingMessage,
  request as requestPlain,
} from 'node:http'
import { Agent as HttpsAgent, request as requestSecure } from 'node:https'
import { freeMemoryOf } from '../../lib/free-memory.ts'
import { AnswerBody } from './answer-body.ts'
import type {
  Answer,
  ConnectionOptions,
  Connections,
  HttpRequest,
  OpenConnections,
  RequestBody,
  Timing,
} from './connections.ts'

export const openNodeConnections: OpenConnections = (options) => new NodeConnections(options)

/** Servers close connections that are idle, mostly after five seconds or more. */
const IDLE_MS = 4_000
/** Methods that may be repeated if a kept connection turns out to be closed. RFC 9110 section 9.2.2. */
const IDEMPOTENT: ReadonlySet<string> = new Set(['GET', 'HEAD', 'PUT', 'DELETE'])

class Timeout extends Error {
  readonly code = 'ETIMEDOUT'
}

/** Connections of Node's own client. It is there at once, and quick from the first request on, which matters to a
 *  program that sends a few hundred and ends. It knows no proxies. */
class NodeConnections implements Connections {
  readonly #plain: HttpAgent
  readonly #secure: HttpsAgent
  readonly #options: ConnectionOptions

  constructor(options: ConnectionOptions) {
    const kept = { keepAlive: true, timeout: IDLE_MS }
    this.#plain = new HttpAgent(kept)
    this.#secure = new HttpsAgent({ ...kept, ...options.tls })
    this.#options = options
  }

  async send(request: HttpRequest): Promise<Answer> {
    const { method, body, signal } = request
    const isRepeatable = IDEMPOTENT.has(method) && !isStreamed(body)
    for (;;) {
      signal?.throwIfAborted()
      const exchange = this.#begin(request)
      try {
        return await answerTo(exchange, request, this.#options.timing)
      } catch (error) {
        if (!isRepeatable || signal?.aborted || !exchange.reusedSocket || !isClosed(error)) throw error
      }
    }
  }

  async destroy(): Promise<void> {
    this.#plain.destroy()
    this.#secure.destroy()
  }

  #begin({ method, url, headers }: HttpRequest): ClientRequest {
    const { timing, lookup } = this.#options
    const options = { method, headers, timeout: timing.headMs, ...(lookup !== undefined && { lookup }) }
    if (url.protocol === 'https:') return requestSecure(url, { ...options, agent: this.#secure })
    return requestPlain(url, { ...options, agent: this.#plain })
  }
}

function answerTo(exchange: ClientRequest, { body, signal }: HttpRequest, timing: Timing): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>()
  let received: AnswerBody | undefined
  const abort = () => {
    received?.finish({ error: signal?.reason })
    reject(signal?.reason)
    exchange.destroy()
  }
  signal?.addEventListener('abort', abort, { once: true })
  exchange.once('close', () => signal?.removeEventListener('abort', abort))
  limitConnecting(exchange, timing.connectMs)
  const onLate = () => exchange.destroy(new Timeout(`no answer for ${timing.headMs} ms`))
  exchange.once('timeout', onLate)
  exchange.on('error', reject)
  exchange.once('response', (message) => {
    exchange.off('timeout', onLate)
    received = bodyOf(message, exchange, timing.bodyMs)
    resolve({ statusCode: message.statusCode ?? 0, headers: message.headers, body: received })
  })
  if (isStreamed(body)) void writeBody(exchange, body)
  else exchange.end(body)
  return promise
}

function limitConnecting(exchange: ClientRequest, connectMs: number): void {
  exchange.once('socket', (socket) => {
    if (!socket.connecting) return
    const late = () => exchange.destroy(new Timeout(`no connection within ${connectMs} ms`))
    const timer = setTimeout(late, connectMs)
    const clear = () => clearTimeout(timer)
    socket.once('encrypted' in socket ? 'secureConnect' : 'connect', clear).once('close', clear)
  })
}

function bodyOf(message: IncomingMessage, exchange: ClientRequest, bodyMs: number): AnswerBody {
  let isPaused = false
  const body = new AnswerBody({
    pause() {
      isPaused = true
      message.pause()
    },
    resume() {
      if (!isPaused) return
      isPaused = false
      exchange.setTimeout(bodyMs) // none ran while nobody was reading
      message.resume()
    },
    abort: (error) => message.destroy(error),
  })
  exchange.setTimeout(bodyMs)
  exchange.on('timeout', () => {
    if (!isPaused) message.destroy(new Timeout(`no more bytes for ${bodyMs} ms`))
  })
  message.on('data', (chunk) => body.receive(chunk))
  message.once('end', () => {
    body.finish()
    // The server has answered before it had the request, and nobody needs the rest of that.
    if (!exchange.writableEnded) exchange.destroy()
  })
  message.on('error', (error) => body.finish({ error }))
  return body
}

/** Never rejects: what the body throws, the exchange fails with. */
async function writeBody(exchange: ClientRequest, body: AsyncIterable<Uint8Array>): Promise<void> {
  try {
    for await (const chunk of body) {
      await written(exchange, chunk)
      if (exchange.destroyed) return
      freeMemoryOf(chunk)
    }
    exchange.end()
  } catch (error) {
    exchange.destroy(error as Error)
  }
}

/** Resolves when the chunk is sent, or the connection has ended. */
function written(exchange: ClientRequest, chunk: Uint8Array): Promise<void> {
  return new Promise((resolve) => {
    const done = () => {
      exchange.off('close', done)
      resolve()
    }
    exchange.once('close', done)
    exchange.write(chunk, done)
  })
}

function isStreamed(body: RequestBody | undefined): body is AsyncIterable<Uint8Array> {
  return typeof body === 'object' && Symbol.asyncIterator in body
}

function isClosed(error: unknown): boolean {
  const { code = '' } = error as NodeJS.ErrnoException
  return code === 'ECONNRESET' || code === 'EPIPE'
}
