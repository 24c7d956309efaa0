import { isIP } from 'node:net'
import { getCACertificates } from 'node:tls'
import { UpstreamError } from '../core/upstream/upstream-error.ts'
import type { Answer, Connections, HttpRequest, OpenConnections, Timing } from './http/connections.ts'
import { AddressPolicy, RefusedAddress } from './public-addresses.ts'

export const TIMING: Timing = { connectMs: 5_000, headMs: 30_000, bodyMs: 30_000 }

export interface TransportOptions {
  /** The registry's own URL, which the configuration vouches for. */
  readonly url: URL
  /** Certificates in PEM that are trusted besides the system's. */
  readonly ca?: readonly string[]
  /** Private networks that it may redirect to. */
  readonly redirectNetworks?: readonly string[]
  /** Certificates are not checked. */
  readonly insecure?: boolean
  readonly timing?: Timing
  readonly openConnections: OpenConnections
}

export type FollowedAnswer = Answer & {
  /** It comes from the registry's own origin. */
  readonly isOwn: boolean
  readonly isRedirected: boolean
}

const REDIRECTS: ReadonlySet<number> = new Set([301, 302, 303, 307, 308])
const MAX_REDIRECTS = 5
const MAX_DUMPED_BYTES = 128 * 1024

/** Requests to one registry and to where it redirects to, over connections that are kept. */
export class Transport {
  readonly #url: URL
  readonly #addresses: AddressPolicy
  readonly #own: Connections
  /** To other hosts: their addresses are looked at. */
  readonly #openOthers: () => Connections
  #others: Connections | undefined

  constructor(options: TransportOptions) {
    const { url, ca = [], redirectNetworks = [], insecure = false } = options
    const { timing = TIMING, openConnections } = options
    this.#url = url
    this.#addresses = new AddressPolicy(redirectNetworks)
    const tls = {
      ...(ca.length > 0 && { ca: [...getCACertificates('default'), ...ca] }),
      ...(insecure && { rejectUnauthorized: false }),
    }
    this.#own = openConnections({ tls, timing })
    this.#openOthers = () => openConnections({ tls, timing, lookup: this.#addresses.lookup })
  }

  /** Follows redirects, unless a body is sent. Credentials go to the registry's own origin only.
   *  @throws UpstreamError; the signal's reason */
  async send(request: HttpRequest): Promise<FollowedAnswer> {
    let { url } = request
    for (let redirects = 0; ; redirects++) {
      const isOwn = url.origin === this.#url.origin
      const answer = await this.#sendOnce({ ...request, url }, isOwn)
      const { location } = answer.headers
      const isRedirect = REDIRECTS.has(answer.statusCode) && request.body === undefined
      if (!isRedirect || typeof location !== 'string')
        return Object.assign(answer, { isOwn, isRedirected: redirects > 0 })
      await discard(answer)
      if (redirects === MAX_REDIRECTS) throw invalid(`more than ${MAX_REDIRECTS} redirects`)
      url = this.#redirected(location, url)
    }
  }

  /** To another host of the same site, such as a token server: as the caller says, without redirects. */
  async sendDirectly(request: HttpRequest): Promise<Answer> {
    const isOwn = request.url.hostname === this.#url.hostname
    if (!isOwn) this.#requireAllowed(request.url)
    return this.#sendOnce(request, isOwn, true)
  }

  async close(): Promise<void> {
    await Promise.all([this.#own.destroy(), this.#others?.destroy()])
  }

  async #sendOnce(request: HttpRequest, isOwn: boolean, mayHaveLogin = isOwn): Promise<Answer> {
    const { url, signal } = request
    const { authorization, ...others } = request.headers
    const headers = { ...others, ...(mayHaveLogin && authorization !== undefined && { authorization }) }
    try {
      return await this.#connectionsTo(isOwn).send({ ...request, headers })
    } catch (cause) {
      throw transportError(cause, { host: url.host, signal })
    }
  }

  #connectionsTo(isOwn: boolean): Connections {
    if (isOwn) return this.#own
    this.#others ??= this.#openOthers()
    return this.#others
  }

  #redirected(location: string, from: URL): URL {
    if (!URL.canParse(location, from)) throw invalid('a redirect to what is no URL')
    const url = new URL(location, from)
    if (url.username !== '' || url.password !== '') throw invalid('a redirect to a URL with a login')
    if (url.origin === this.#url.origin) return url
    const isAllowed =
      url.protocol === 'https:' || (url.protocol === 'http:' && this.#url.protocol === 'http:')
    if (!isAllowed) throw invalid(`a redirect to ${url.protocol}//${url.host}, which is not encrypted`)
    this.#requireAllowed(url)
    return url
  }

  /** Addresses are not looked up, so nothing else would look at them. */
  #requireAllowed({ hostname }: URL): void {
    const address = hostname.replace(/^\[|\]$/g, '')
    if (isIP(address) !== 0 && !this.#addresses.allows(address))
      throw invalid(`the private address ${hostname} is not gone to`)
  }
}

/** Reads what is left of a body if that is little; otherwise ends its connection. */
export function discard({ body }: Answer): Promise<void> {
  return body.dump(MAX_DUMPED_BYTES)
}

function invalid(message: string, cause?: unknown): UpstreamError {
  return new UpstreamError('INVALID', { message: `the upstream answered with ${message}`, cause })
}

const TIMEOUTS: ReadonlySet<string> = new Set([
  'UND_ERR_CONNECT_TIMEOUT',
  'UND_ERR_HEADERS_TIMEOUT',
  'UND_ERR_BODY_TIMEOUT',
  'ETIMEDOUT',
])

/** What a request or a body failed with, in our words. The signal's own reason stays. */
export function transportError(
  cause: unknown,
  { host, signal }: { host: string; signal?: AbortSignal | undefined },
): unknown {
  if (cause instanceof UpstreamError) return cause
  if (signal?.aborted) return signal.reason
  const refused = refusedAddress(cause)
  if (refused !== undefined) return invalid(`a redirect: ${refused.message}`, cause)
  const { code = '', message, name } = cause as NodeJS.ErrnoException
  if (name === 'HTTPParserError' || code.startsWith('HPE_')) return invalid('what is no HTTP', cause)
  const isTimeout = TIMEOUTS.has(code)
  return new UpstreamError(isTimeout ? 'TIMEOUT' : 'UNREACHABLE', {
    message: `${host}: ${isTimeout ? 'no answer in time' : message}`,
    cause,
  })
}

function refusedAddress(cause: unknown): RefusedAddress | undefined {
  for (let error = cause, depth = 0; error instanceof Error && depth < 5; error = error.cause, depth++)
    if (error instanceof RefusedAddress) return error
  return undefined
}
