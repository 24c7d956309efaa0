import { type Dispatcher, EnvHttpProxyAgent } from 'undici'
import { AnswerBody } from './answer-body.ts'
import type { Answer, ConnectionOptions, Connections, HttpRequest, OpenConnections } from './connections.ts'
import { largeReads, MAX_WAITING_BYTES } from './large-reads.ts'

export const openUndiciConnections: OpenConnections = (options) => new UndiciConnections(options)

/** Connections of undici, through the proxies of the environment: the least work for large bodies, and for many
 *  requests. Its own `request` makes a stream of each body, which costs more than all else of a large one. */
class UndiciConnections implements Connections {
  readonly #agent: Dispatcher

  constructor({ tls, timing, lookup }: ConnectionOptions) {
    this.#agent = new EnvHttpProxyAgent({
      headersTimeout: timing.headMs,
      bodyTimeout: timing.bodyMs,
      requestTls: tls,
      connect: {
        ...{ ...tls, timeout: timing.connectMs, ...(lookup !== undefined && { lookup }) },
        ...{ onread: largeReads(), highWaterMark: MAX_WAITING_BYTES },
      },
    })
  }

  send({ method, url, headers, body, signal }: HttpRequest): Promise<Answer> {
    const { promise, resolve, reject } = Promise.withResolvers<Answer>()
    if (signal?.aborted) return Promise.reject(signal.reason)
    let controller: Dispatcher.DispatchController | undefined
    let received: AnswerBody | undefined
    const abort = () => {
      controller?.abort(signal?.reason)
      reject(signal?.reason)
    }
    signal?.addEventListener('abort', abort, { once: true })
    const options = {
      ...{ origin: url.origin, path: `${url.pathname}${url.search}`, method, headers },
      // undici takes any iterable, which its types do not say.
      ...(body !== undefined && { body: body as string }),
    }
    this.#agent.dispatch(options, {
      onRequestStart(started) {
        controller = started
        if (signal?.aborted) started.abort(signal.reason)
      },
      onResponseStart(started, statusCode, headers) {
        if (statusCode < 200) return // an interim response
        received = new AnswerBody(started)
        resolve({ statusCode, headers, body: received })
      },
      onResponseData(_controller, chunk) {
        received?.receive(chunk)
      },
      onResponseEnd() {
        signal?.removeEventListener('abort', abort)
        received?.finish()
      },
      onResponseError(_controller, error) {
        signal?.removeEventListener('abort', abort)
        received?.finish({ error })
        reject(error)
      },
    })
    return promise
  }

  destroy(): Promise<void> {
    return this.#agent.destroy()
  }
}
