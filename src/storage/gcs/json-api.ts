import * as http from 'node:http'
import * as https from 'node:https'
import { buffer, text } from 'node:stream/consumers'
import { setTimeout as wait } from 'node:timers/promises'
import type { ApiError, Storage } from '@google-cloud/storage'
import pLimit, { type LimitFunction } from 'p-limit'
import { CallFailed } from './errors.ts'

export interface JsonApiOptions {
  readonly maxConcurrency: number
  readonly userAgent: string
  /** Idle timeout while a response is awaited. */
  readonly idleMs: number
}

export interface Call {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  /** Path below the API's base, such as `/b/bucket/o`. */
  readonly path: string
  readonly query?: Readonly<Record<string, string | number | undefined>>
  readonly headers?: Readonly<Record<string, string | number>>
  /** Sent again from its beginning at a retry. */
  readonly body?: readonly Uint8Array[]
  /** True for the API's upload base. */
  readonly isUpload?: boolean
  readonly signal?: AbortSignal | undefined
}

/** Calls of the JSON API, with the SDK's credentials, endpoint (`STORAGE_EMULATOR_HOST`) and retry rules.
 *
 *  Requests use Node's own client: the SDK's closes every connection of the process if one download is
 *  aborted, has no timeout, and can't be cancelled.
 *  @see https://cloud.google.com/storage/docs/json_api/v1 */
export class JsonApi {
  readonly idleMs: number
  readonly #storage: Storage
  readonly #userAgent: string
  readonly #agent: http.Agent
  readonly #limit: LimitFunction

  constructor(storage: Storage, { maxConcurrency, userAgent, idleMs }: JsonApiOptions) {
    this.idleMs = idleMs
    this.#storage = storage
    this.#userAgent = userAgent
    this.#limit = pLimit(maxConcurrency)
    const { Agent } = storage.apiEndpoint.startsWith('http:') ? http : https
    this.#agent = new Agent({ keepAlive: true })
  }

  /** The response's JSON, or an empty object.
   *  @throws CallFailed */
  json<T>(call: Call): Promise<Partial<T>> {
    return this.#repeatedly(call, async () => {
      const body = await text(await this.#attempt(call))
      return body === '' ? {} : JSON.parse(body)
    })
  }

  /** Reads a whole response.
   *  @throws CallFailed */
  whole<T>(call: Call, take: (response: http.IncomingMessage, content: Uint8Array) => T): Promise<T> {
    return this.#repeatedly(call, async () => {
      const response = await this.#attempt(call)
      return take(response, await buffer(response))
    })
  }

  /** The response for streaming. Errors of its body are the reader's to handle.
   *  @throws CallFailed */
  open(call: Call): Promise<http.IncomingMessage> {
    return this.#repeatedly(call, () => this.#attempt(call))
  }

  close(): void {
    this.#agent.destroy()
  }

  /** Retries like the SDK, by `retryOptions` of its `Storage`. */
  async #repeatedly<T>(call: Call, work: () => Promise<T>): Promise<T> {
    const { maxRetries = 0, totalTimeout = 0 } = this.#storage.retryOptions
    const deadline = Date.now() + totalTimeout * 1000
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#limit(work)
      } catch (cause) {
        const failure = CallFailed.from(cause)
        failure.attempts = attempt
        const delay = this.#delayMs(attempt)
        const isLast = attempt > maxRetries || Date.now() + delay > deadline || call.signal?.aborted === true
        if (isLast || !this.#isRepeatable(failure)) throw failure
        await wait(delay)
      }
    }
  }

  #isRepeatable({ status, reason, errno, message }: CallFailed): boolean {
    const error = { code: status ?? errno, message, errors: [{ reason }] }
    return this.#storage.retryOptions.retryableErrorFn?.(error as unknown as ApiError) ?? false
  }

  /** Longer for each attempt, with a random part. */
  #delayMs(attempt: number): number {
    const { retryDelayMultiplier = 1, maxRetryDelay = 0 } = this.#storage.retryOptions
    const delay = 1000 * retryDelayMultiplier ** (attempt - 1) * (0.5 + Math.random() / 2)
    return Math.min(delay, maxRetryDelay * 1000)
  }

  async #attempt(call: Call): Promise<http.IncomingMessage> {
    const response = await this.#send(call, await this.#authorization())
    const { statusCode = 0 } = response
    if (statusCode >= 200 && statusCode < 300) return response
    throw await failureOf(response)
  }

  /** Emulators get no credentials, as in the SDK. */
  async #authorization(): Promise<Record<string, string>> {
    if (this.#storage.customEndpoint) return {}
    return Object.fromEntries(await this.#storage.authClient.getRequestHeaders())
  }

  #send(call: Call, authorization: Record<string, string>): Promise<http.IncomingMessage> {
    const { body = [], headers, method, signal } = call
    const { promise, resolve, reject } = Promise.withResolvers<http.IncomingMessage>()
    const request = (this.#agent instanceof https.Agent ? https : http).request(this.#urlOf(call), {
      method,
      agent: this.#agent,
      signal,
      timeout: this.idleMs,
      headers: {
        'User-Agent': this.#userAgent,
        ...((method === 'POST' || method === 'PATCH') && {
          'Content-Length': body.reduce((sum, { byteLength }) => sum + byteLength, 0),
        }),
        ...headers,
        ...authorization,
      },
    })
    request.on('timeout', () => request.destroy(this.#timedOut()))
    request.on('response', resolve)
    request.on('error', reject)
    for (const chunk of body) request.write(chunk)
    request.end()
    return promise
  }

  #urlOf({ path, query = {}, isUpload = false }: Call): URL {
    const { apiEndpoint, baseUrl } = this.#storage
    const url = new URL((isUpload ? `${apiEndpoint}/upload/storage/v1` : baseUrl) + path)
    for (const [key, value] of Object.entries(query)) {
      if (value !== undefined) url.searchParams.set(key, String(value))
    }
    return url
  }

  #timedOut(): Error {
    const message = `no data for ${this.idleMs / 1000} s`
    return Object.assign(new Error(message), { code: 'ETIMEDOUT' })
  }
}

interface ErrorBody {
  readonly error?: {
    readonly message?: string
    readonly errors?: readonly { readonly reason?: string }[]
  }
}

/** Errors are JSON, those of downloads text. */
async function failureOf(response: http.IncomingMessage): Promise<CallFailed> {
  const { statusCode: status, statusMessage = '' } = response
  const body = await text(response)
  const { error } = parseErrorBody(body)
  const message = error?.message || (error === undefined ? body.trim().slice(0, 500) : '') || statusMessage
  return new CallFailed(message, { status, reason: error?.errors?.[0]?.reason ?? '' })
}

function parseErrorBody(body: string): ErrorBody {
  try {
    return Object(JSON.parse(body))
  } catch (error) {
    if (error instanceof SyntaxError) return {}
    throw error
  }
}
