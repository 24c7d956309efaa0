import type { IncomingHttpHeaders } from 'node:http'
import type { Dispatcher } from 'undici'
import { AnswerBody } from './answer-body.ts'

export interface Answer {
  readonly statusCode: number
  readonly headers: IncomingHttpHeaders
  /** To be read, dumped or destroyed. */
  readonly body: AnswerBody
}

/** Sends a request. undici's own `request` makes a stream of each body, which costs more than all else of a large
 *  one.
 *  @returns the answer, once its head is there
 *  @throws Error of undici; the signal's reason */
export function dispatch(
  dispatcher: Dispatcher,
  options: Dispatcher.DispatchOptions,
  signal?: AbortSignal,
): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>()
  if (signal?.aborted) return Promise.reject(signal.reason)
  let controller: Dispatcher.DispatchController | undefined
  let body: AnswerBody | undefined
  const abort = () => {
    controller?.abort(signal?.reason)
    reject(signal?.reason)
  }
  signal?.addEventListener('abort', abort, { once: true })
  dispatcher.dispatch(options, {
    onRequestStart(started) {
      controller = started
      if (signal?.aborted) started.abort(signal.reason)
    },
    onResponseStart(started, statusCode, headers) {
      if (statusCode < 200) return // an interim response
      body = new AnswerBody(started)
      resolve({ statusCode, headers, body })
    },
    onResponseData(_controller, chunk) {
      body?.receive(chunk)
    },
    onResponseEnd() {
      signal?.removeEventListener('abort', abort)
      body?.finish()
    },
    onResponseError(_controller, error) {
      signal?.removeEventListener('abort', abort)
      body?.finish({ error })
      reject(error)
    },
  })
  return promise
}
