import { UpstreamError } from '../core/upstream/upstream-error.ts'
import { type Challenge, parseChallenges } from './challenge.ts'
import { type CredentialSource, type Credentials, TOKEN_USERS } from './credentials.ts'
import type { Answer } from './http/connections.ts'
import { isSameSite } from './same-site.ts'
import { discard, type Transport } from './transport.ts'

export interface AuthorizationParts {
  readonly url: URL
  readonly transport: Transport
  readonly credentials: CredentialSource
  /** Hosts of other sites whose token servers are trusted with the credentials. */
  readonly realmHosts: readonly string[]
  /** Token servers of other sites are asked too, without the credentials. */
  readonly anonymousRealms?: boolean
  readonly userAgent: string
}

interface Token {
  readonly value: string
  /** By `performance.now()`. */
  readonly expiresAt: number
}

/** Where tokens are given out. */
interface Realm {
  readonly url: URL
  /** False if it must not see the credentials. */
  readonly isTrusted: boolean
  readonly service: string | undefined
}

type Scheme = { readonly kind: 'basic' } | { readonly kind: 'bearer'; readonly realm: Realm }

/** What is left of a token's time when another one is fetched. */
const MARGIN = 0.1
const DEFAULT_LIFETIME_SECONDS = 60
const MAX_TOKENS = 10_000
const MAX_ANSWER_BYTES = 1024 ** 2
/** Limit of the time for a small answer. */
const READ_MS = 60_000

/** The header `Authorization` of requests to one registry: Basic, or tokens by scope.
 *  https://distribution.github.io/distribution/spec/auth/token/ */
export class Authorization {
  readonly #parts: AuthorizationParts
  readonly #tokens = new Map<string, Promise<Token>>()
  /** As the last challenge said. */
  #scheme: Scheme | undefined

  constructor(parts: AuthorizationParts) {
    this.#parts = parts
  }

  /** Undefined if none is needed as far as is known.
   *  @param scope scopes of the token specification, separated by spaces */
  async header(scope: string, signal?: AbortSignal): Promise<string | undefined> {
    if (this.#scheme === undefined) return undefined
    if (this.#scheme.kind === 'bearer')
      return `Bearer ${await this.#token(this.#scheme.realm, scope, signal)}`
    const credentials = await this.#credentials()
    return credentials && basic(credentials)
  }

  /** After a 401 or 403: forgets what was refused, and says whether to try again.
   *  @param sent the header that was refused
   *  @throws UpstreamError INVALID for a realm that is not trusted */
  challenged(answer: Answer, { scope, sent }: { scope: string; sent: string | undefined }): boolean {
    this.#tokens.delete(scope)
    if (sent !== undefined) this.#parts.credentials.refused()
    if (answer.statusCode !== 401) return sent !== undefined
    const header = answer.headers['www-authenticate']
    const challenges = parseChallenges([header ?? ''].flat().join(', '))
    const bearer = challenges.find(({ scheme }) => scheme === 'bearer')
    if (bearer !== undefined) this.#scheme = { kind: 'bearer', realm: this.#realmOf(bearer) }
    else if (challenges.some(({ scheme }) => scheme === 'basic')) this.#scheme = { kind: 'basic' }
    else return false
    return true
  }

  #realmOf({ parameters }: Challenge): Realm {
    const { url: own, realmHosts } = this.#parts
    const text = parameters.get('realm') ?? ''
    if (!URL.canParse(text)) throw untrusted('no URL')
    const url = new URL(text)
    const isEncrypted = url.protocol === 'https:' || (url.protocol === 'http:' && own.protocol === 'http:')
    if (!isEncrypted) throw untrusted(`${url.protocol}//${url.host}, which is not encrypted`)
    const isTrusted = isSameSite(own.hostname, url.hostname) || realmHosts.includes(url.host)
    if (!isTrusted && !this.#parts.anonymousRealms) throw otherSite(url, own)
    return { url, isTrusted, service: parameters.get('service') }
  }

  async #token(realm: Realm, scope: string, signal: AbortSignal | undefined): Promise<string> {
    const known = await this.#tokens.get(scope)?.catch(() => undefined)
    if (known !== undefined && performance.now() < known.expiresAt) return known.value
    if (this.#tokens.size >= MAX_TOKENS) this.#tokens.clear()
    const fetched = this.#fetch(realm, scope)
    this.#tokens.set(scope, fetched)
    fetched.catch(() => this.#tokens.delete(scope))
    const { value } = await abortable(fetched, signal)
    return value
  }

  async #fetch(realm: Realm, scope: string): Promise<Token> {
    const askedAt = performance.now()
    const credentials = await this.#credentials()
    if (credentials !== undefined && !realm.isTrusted) throw otherSite(realm.url, this.#parts.url)
    const answer = await this.#ask(realm, { scope, credentials })
    if (answer.statusCode !== 200) {
      await discard(answer)
      if (answer.statusCode === 401 || answer.statusCode === 403) this.#parts.credentials.refused()
      throw refusal(answer, realm.url.host)
    }
    const { token, access_token, expires_in } = Object(await readJson(answer, MAX_ANSWER_BYTES))
    const value = token ?? access_token
    if (typeof value !== 'string' || !/^[\x21-\x7e]+$/.test(value))
      throw untrusted('a server that gives no token')
    const seconds = Number(expires_in) > 0 ? Number(expires_in) : DEFAULT_LIFETIME_SECONDS
    return { value, expiresAt: askedAt + seconds * 1000 * (1 - MARGIN) }
  }

  #ask(
    { url: realm, service }: Realm,
    { scope, credentials }: { scope: string; credentials: Credentials | undefined },
  ): Promise<Answer> {
    const { transport, userAgent } = this.#parts
    const headers = { 'user-agent': userAgent, accept: 'application/json' }
    if (credentials !== undefined && TOKEN_USERS.has(credentials.username)) {
      const form = new URLSearchParams({
        grant_type: 'refresh_token',
        refresh_token: credentials.password,
        client_id: 'entrepot',
        scope,
        ...(service !== undefined && { service }),
      })
      const type = { 'content-type': 'application/x-www-form-urlencoded' }
      return transport.sendDirectly({
        method: 'POST',
        url: realm,
        headers: { ...headers, ...type },
        body: `${form}`,
      })
    }
    const url = new URL(realm)
    if (service !== undefined) url.searchParams.set('service', service)
    for (const one of scope.split(' ')) if (one !== '') url.searchParams.append('scope', one)
    const login = credentials && { authorization: basic(credentials) }
    return transport.sendDirectly({ method: 'GET', url, headers: { ...headers, ...login } })
  }

  async #credentials(): Promise<Credentials | undefined> {
    try {
      return await this.#parts.credentials.get()
    } catch (cause) {
      throw new UpstreamError('REFUSED', { message: `no credentials: ${(cause as Error).message}`, cause })
    }
  }
}

/** The JSON of an answer; undefined if it is none.
 *  @throws UpstreamError INVALID if it is longer */
export async function readJson(answer: Answer, maxBytes: number): Promise<unknown> {
  const text = await readAnswer(answer, maxBytes)
  try {
    return JSON.parse(text.toString())
  } catch {
    return undefined
  }
}

/** Reads a small answer, whose sender may drip.
 *  @throws UpstreamError INVALID if it is longer, TIMEOUT if it takes longer */
export async function readAnswer({ body }: Answer, maxBytes: number, withinMs = READ_MS): Promise<Buffer> {
  const late = new UpstreamError('TIMEOUT', {
    message: `the upstream's answer takes more than ${withinMs} ms`,
  })
  const timer = setTimeout(() => body.destroy(late), withinMs)
  try {
    return await readBody(body, maxBytes)
  } finally {
    clearTimeout(timer)
  }
}

/** @throws UpstreamError INVALID if it is longer */
export async function readBody(body: AsyncIterable<Uint8Array>, maxBytes: number): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  let size = 0
  for await (const chunk of body) {
    size += chunk.length
    if (size > maxBytes)
      throw new UpstreamError('INVALID', { message: `the upstream's answer has more than ${maxBytes} bytes` })
    chunks.push(chunk)
  }
  return Buffer.concat(chunks)
}

function refusal({ statusCode }: Answer, host: string): UpstreamError {
  const code = statusCode === 429 ? 'THROTTLED' : statusCode >= 500 ? 'FAILED' : ('REFUSED' as const)
  return new UpstreamError(code, { message: `${host} gives no token: ${statusCode}`, status: statusCode })
}

function basic({ username, password }: Credentials): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
}

function otherSite(realm: URL, own: URL): UpstreamError {
  return untrusted(`${realm.host}, which belongs to another site than ${own.host}`)
}

function untrusted(what: string): UpstreamError {
  return new UpstreamError('INVALID', { message: `the upstream sends for tokens to ${what}` })
}

/** Those who wait for the same may leave; the rest goes on. */
async function abortable<Result>(work: Promise<Result>, signal: AbortSignal | undefined): Promise<Result> {
  if (signal === undefined) return work
  signal.throwIfAborted()
  const { promise, reject } = Promise.withResolvers<never>()
  const abort = () => reject(signal.reason)
  signal.addEventListener('abort', abort, { once: true })
  try {
    return await Promise.race([work, promise])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}
