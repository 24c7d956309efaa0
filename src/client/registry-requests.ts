import { UpstreamError, type UpstreamErrorCode } from '../core/upstream/upstream-error.ts'
import type { CallOptions, RateLimit } from '../core/upstream/upstream-registry.ts'
import { printable } from '../lib/printable.ts'
import { Authorization, readAnswer } from './authorization.ts'
import { type CredentialSource, fixedCredentials } from './credentials.ts'
import type { HttpRequest, OpenConnections, RequestBody, Timing } from './http/connections.ts'
import { rateLimitOf, retryAfterMs } from './retry-after.ts'
import { discard, type FollowedAnswer, Transport } from './transport.ts'

export interface RegistryClientOptions {
  /** The origin, and what stands before `/v2/`. */
  readonly url: string
  /** Default: none. */
  readonly credentials?: CredentialSource
  readonly userAgent: string
  /** Certificates in PEM that are trusted besides the system's. */
  readonly ca?: readonly string[]
  /** Certificates are not checked. */
  readonly insecure?: boolean
  /** Hosts of other sites whose token servers are trusted with the credentials. */
  readonly realmHosts?: readonly string[]
  /** Token servers of other sites are asked too, without the credentials. */
  readonly anonymousRealms?: boolean
  /** Private networks that it may redirect to. */
  readonly redirectNetworks?: readonly string[]
  readonly timing?: Timing
  readonly openConnections: OpenConnections
  /** Headers that make a request part of a trace, asked for before each request. Default: none. */
  readonly traceHeaders?: (() => Readonly<Record<string, string>>) | undefined
}

export interface RegistryRequest extends CallOptions {
  readonly method: HttpRequest['method']
  /** Behind `/v2/`, or a whole URL. */
  readonly path: string
  /** Scopes of the token specification, separated by spaces. */
  readonly scope: string
  readonly headers?: Readonly<Record<string, string>>
  /** Called for each attempt. */
  readonly body?: () => RequestBody
  /** The statuses that are no failure. Default: 200 and 206. */
  readonly expect?: readonly number[]
}

const READ: readonly number[] = [200, 206]
const MAX_ERROR_BYTES = 64 * 1024

/** Requests to one registry: with its credentials, and with its failures as `UpstreamError`. */
export class RegistryRequests {
  readonly #base: URL
  readonly #userAgent: string
  readonly #transport: Transport
  readonly #authorization: Authorization
  readonly #traceHeaders: RegistryClientOptions['traceHeaders']
  #rateLimit: RateLimit | undefined

  constructor(options: RegistryClientOptions) {
    const { url, credentials = fixedCredentials(undefined), userAgent, realmHosts = [] } = options
    const { anonymousRealms = false, traceHeaders, ...transport } = options
    this.#base = new URL(url.replace(/\/*$/, '/'))
    this.#userAgent = userAgent
    this.#traceHeaders = traceHeaders
    this.#transport = new Transport({ ...transport, url: this.#base })
    this.#authorization = new Authorization({
      ...{ url: this.#base, transport: this.#transport, credentials, realmHosts, anonymousRealms, userAgent },
    })
  }

  get host(): string {
    return this.#base.host
  }

  get rateLimit(): RateLimit | undefined {
    return this.#rateLimit
  }

  /** @param path behind `/v2/`, or a whole URL */
  urlOf(path: string): URL {
    return new URL(path, new URL('v2/', this.#base))
  }

  /** @returns an answer of an expected status, whose body is to be read or discarded
   *  @throws UpstreamError; the signal's reason */
  async send({ method, path, scope, headers = {}, body, expect = READ, signal }: RegistryRequest) {
    const url = this.urlOf(path)
    for (let attempt = 1; ; attempt++) {
      const authorization = await this.#authorization.header(scope, signal)
      const answer = await this.#transport.send({
        method,
        url,
        headers: {
          ...this.#traceHeaders?.(),
          ...headers,
          'user-agent': this.#userAgent,
          ...(authorization !== undefined && { authorization }),
        },
        body: body?.(),
        signal,
      })
      this.#rateLimit = rateLimitOf(answer.headers) ?? this.#rateLimit
      if (expect.includes(answer.statusCode)) return answer
      const said = await errorIn(answer)
      const isRefused = answer.isOwn && (answer.statusCode === 401 || answer.statusCode === 403)
      const mayTryAgain =
        isRefused && attempt < 3 && this.#authorization.challenged(answer, { scope, sent: authorization })
      if (!mayTryAgain || (attempt === 2 && authorization !== undefined && answer.statusCode === 403))
        throw failureOf(answer, `${said}: ${method} ${url.pathname}`, url.host)
    }
  }

  close(): Promise<void> {
    return this.#transport.close()
  }
}

/** The first error of a failure's body, for people; empty if there is none. OCI Distribution Specification 1.1,
 *  "Error Codes". */
async function errorIn(answer: FollowedAnswer): Promise<string> {
  const type = [answer.headers['content-type'] ?? ''].flat().join()
  if (!type.includes('json')) {
    await discard(answer)
    return ''
  }
  try {
    const body = await readAnswer(answer, MAX_ERROR_BYTES)
    const { code, message } = Object(JSON.parse(body.toString())?.errors?.[0])
    if (typeof code !== 'string') return ''
    return printable(` ${code}${typeof message === 'string' ? ` (${message.slice(0, 500)})` : ''}`)
  } catch {
    answer.body.destroy()
    return ''
  }
}

function failureOf(
  { statusCode: status, headers, isRedirected }: FollowedAnswer,
  what: string,
  host: string,
): UpstreamError {
  return new UpstreamError(codeOf(status, isRedirected), {
    message: `${host} answered ${status}${what}`,
    status,
    retryAfterMs: retryAfterMs(headers),
  })
}

/** What a redirect led to refuses when its URL is too old: the registry itself has refused nothing. */
function codeOf(status: number, isRedirected: boolean): UpstreamErrorCode {
  if (status === 404 || status === 410) return 'NOT_FOUND'
  if (status === 429) return 'THROTTLED'
  if (status === 401 || status === 403) return isRedirected ? 'FAILED' : 'REFUSED'
  if (status === 408) return 'TIMEOUT'
  return status >= 500 ? 'FAILED' : 'INVALID'
}
