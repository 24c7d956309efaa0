import type { IncomingHttpHeaders } from 'node:http'
import type { ReferrerDescriptor } from '../core/descriptor.ts'
import { type Digest, isDigest } from '../core/digest.ts'
import { MAX_MANIFEST_BYTES } from '../core/manifest/limits.ts'
import { MediaType } from '../core/media-type.ts'
import type { RepositoryName, Tag } from '../core/reference.ts'
import { UpstreamError } from '../core/upstream/upstream-error.ts'
import type {
  CallOptions,
  ManifestHead,
  OpenBlobOptions,
  RateLimit,
  UpstreamBlob,
  UpstreamManifest,
  UpstreamRegistry,
} from '../core/upstream/upstream-registry.ts'
import { Authorization, readBody, readJson } from './authorization.ts'
import { blobOf } from './blob-answer.ts'
import { type CredentialSource, fixedCredentials } from './credentials.ts'
import { nextPage } from './pages.ts'
import { referrersIn } from './referrers.ts'
import { rateLimitOf, retryAfterMs } from './retry-after.ts'
import {
  type Answer,
  discard,
  type FollowedAnswer,
  Transport,
  type TransportTiming,
  transportError,
} from './transport.ts'

export interface RegistryClientOptions {
  /** The origin, and what stands before `/v2/`. */
  readonly url: string
  /** Default: none. */
  readonly credentials?: CredentialSource
  readonly userAgent: string
  /** Certificates in PEM that are trusted besides the system's. */
  readonly ca?: readonly string[]
  /** Hosts of other sites whose token servers are trusted with the credentials. */
  readonly realmHosts?: readonly string[]
  /** Private networks that it may redirect to. */
  readonly redirectNetworks?: readonly string[]
  readonly timing?: TransportTiming
}

/** Every kind of manifest, so that the upstream answers with what it has. */
const ACCEPT = [
  MediaType.ociIndex,
  MediaType.dockerManifestList,
  MediaType.ociManifest,
  MediaType.dockerManifest,
  MediaType.ociArtifact,
  `${MediaType.dockerSchema1Signed};q=0.5`,
  `${MediaType.dockerSchema1};q=0.4`,
].join(', ')

const MAX_LIST_BYTES = 16 * 1024 ** 2
/** Of a list; what points to more of them points in circles. */
const MAX_PAGES = 10_000

interface Call extends CallOptions {
  readonly method: 'GET' | 'HEAD'
  /** Behind `/v2/`, or a whole URL of a next page. */
  readonly path: string
  readonly scope: string
  readonly headers?: Readonly<Record<string, string>>
}

/** A client of the distribution API. OCI Distribution Specification 1.1; Docker Registry HTTP API V2. */
export class RegistryClient implements UpstreamRegistry {
  readonly #base: URL
  readonly #userAgent: string
  readonly #transport: Transport
  readonly #authorization: Authorization
  #rateLimit: RateLimit | undefined

  constructor(options: RegistryClientOptions) {
    const { url, credentials = fixedCredentials(undefined), userAgent, realmHosts = [] } = options
    const { ca, redirectNetworks, timing } = options
    this.#base = new URL(url.replace(/\/*$/, '/'))
    this.#userAgent = userAgent
    this.#transport = new Transport({
      url: this.#base,
      ...(ca && { ca }),
      ...(redirectNetworks && { redirectNetworks }),
      ...(timing && { timing }),
    })
    const parts = { url: this.#base, transport: this.#transport, credentials, realmHosts, userAgent }
    this.#authorization = new Authorization(parts)
  }

  get host(): string {
    return this.#base.host
  }

  get rateLimit(): RateLimit | undefined {
    return this.#rateLimit
  }

  async headManifest(
    repository: RepositoryName,
    reference: Tag | Digest,
    options: CallOptions = {},
  ): Promise<ManifestHead> {
    const answer = await this.#call({ ...options, ...manifestCall(repository, reference), method: 'HEAD' })
    await discard(answer)
    return { digest: digestIn(answer) }
  }

  async getManifest(
    repository: RepositoryName,
    reference: Tag | Digest,
    options: CallOptions = {},
  ): Promise<UpstreamManifest> {
    const answer = await this.#call({ ...options, ...manifestCall(repository, reference), method: 'GET' })
    const payload = await this.#read(answer, { maxBytes: MAX_MANIFEST_BYTES, signal: options.signal })
    const [contentType] = [answer.headers['content-type']].flat()
    return { digest: digestIn(answer), payload, contentType }
  }

  async headBlob(
    repository: RepositoryName,
    digest: Digest,
    options: CallOptions = {},
  ): Promise<number | undefined> {
    const answer = await this.#call({ ...options, ...blobCall(repository, digest), method: 'HEAD' })
    await discard(answer)
    return lengthIn(answer.headers)
  }

  async openBlob(
    repository: RepositoryName,
    digest: Digest,
    { start = 0, end, etag, signal }: OpenBlobOptions = {},
  ): Promise<UpstreamBlob> {
    const isPart = start > 0 || end !== undefined
    const headers = {
      ...(isPart && { range: `bytes=${start}-${end ?? ''}` }),
      ...(isPart && etag !== undefined && { 'if-range': etag }),
    }
    const answer = await this.#call({ ...blobCall(repository, digest), method: 'GET', headers, signal })
    return blobOf(answer, { start, end, host: this.host, signal })
  }

  async *tags(repository: RepositoryName, options: CallOptions = {}): AsyncIterable<string> {
    yield* this.#list({ ...options, path: `${repository}/tags/list`, scope: pullScope(repository) }, 'tags')
  }

  async *repositories(options: CallOptions = {}): AsyncIterable<string> {
    yield* this.#list({ ...options, path: '_catalog', scope: 'registry:catalog:*' }, 'repositories')
  }

  async referrers(
    repository: RepositoryName,
    subject: Digest,
    options: CallOptions = {},
  ): Promise<readonly ReferrerDescriptor[]> {
    const found: ReferrerDescriptor[] = []
    const scope = pullScope(repository)
    try {
      const path = `${repository}/referrers/${subject}`
      for await (const page of this.#pages({ ...options, path, scope })) found.push(...referrersIn(page))
      return found
    } catch (error) {
      if (!(error instanceof UpstreamError) || error.code !== 'NOT_FOUND') throw error
    }
    try {
      const tag = subject.replace(':', '-') as Tag
      const { payload } = await this.getManifest(repository, tag, options)
      return referrersIn(JSON.parse(Buffer.from(payload).toString()))
    } catch (error) {
      if (error instanceof SyntaxError) return []
      if (error instanceof UpstreamError && error.code === 'NOT_FOUND') return []
      throw error
    }
  }

  close(): Promise<void> {
    return this.#transport.close()
  }

  async *#list(call: Omit<Call, 'method'>, field: 'tags' | 'repositories'): AsyncIterable<string> {
    for await (const page of this.#pages(call)) {
      const names: unknown = Object(page)[field]
      if (Array.isArray(names)) yield* names.filter((name) => typeof name === 'string')
    }
  }

  async *#pages(call: Omit<Call, 'method'>): AsyncIterable<unknown> {
    let path: string | undefined = call.path
    for (let pages = 0; path !== undefined && pages < MAX_PAGES; pages++) {
      const answer: Answer = await this.#call({ ...call, path, method: 'GET' })
      yield await this.#within(readJson(answer, MAX_LIST_BYTES), call.signal)
      path = nextPage(answer.headers.link, new URL(path, this.#api))
    }
  }

  get #api(): URL {
    return new URL('v2/', this.#base)
  }

  /** @returns an answer of 200 or 206
   *  @throws UpstreamError */
  async #call({ method, path, scope, headers = {}, signal }: Call): Promise<Answer> {
    const url = new URL(path, this.#api)
    for (let attempt = 1; ; attempt++) {
      const authorization = await this.#authorization.header(scope, signal)
      const answer = await this.#transport.send({
        method,
        url,
        headers: {
          ...headers,
          'user-agent': this.#userAgent,
          ...(authorization !== undefined && { authorization }),
        },
        signal,
      })
      this.#rateLimit = rateLimitOf(answer.headers) ?? this.#rateLimit
      if (answer.statusCode === 200 || answer.statusCode === 206) return answer
      await discard(answer)
      const isRefused = answer.isOwn && (answer.statusCode === 401 || answer.statusCode === 403)
      const mayTryAgain =
        isRefused && attempt < 3 && this.#authorization.challenged(answer, { scope, sent: authorization })
      if (!mayTryAgain || (attempt === 2 && authorization !== undefined && answer.statusCode === 403))
        throw failureOf(answer, `${method} ${url.host}${url.pathname}`)
    }
  }

  #read(answer: Answer, { maxBytes, signal }: { maxBytes: number } & CallOptions): Promise<Buffer> {
    return this.#within(readBody(answer.body, maxBytes), signal)
  }

  async #within<Result>(work: Promise<Result>, signal: AbortSignal | undefined): Promise<Result> {
    try {
      return await work
    } catch (cause) {
      throw transportError(cause, { host: this.host, signal })
    }
  }
}

function manifestCall(repository: RepositoryName, reference: Tag | Digest) {
  return {
    path: `${repository}/manifests/${reference}`,
    scope: pullScope(repository),
    headers: { accept: ACCEPT },
  }
}

function blobCall(repository: RepositoryName, digest: Digest) {
  return { path: `${repository}/blobs/${digest}`, scope: pullScope(repository) }
}

function pullScope(repository: RepositoryName): string {
  return `repository:${repository}:pull`
}

function digestIn({ headers }: Answer): Digest | undefined {
  const [digest = ''] = [headers['docker-content-digest'] ?? ''].flat()
  return isDigest(digest) ? digest : undefined
}

function lengthIn(headers: IncomingHttpHeaders): number | undefined {
  const length = headers['content-length']
  return length !== undefined && /^\d{1,15}$/.test(length) ? Number(length) : undefined
}

function failureOf(
  { statusCode: status, headers, isRedirected }: FollowedAnswer,
  what: string,
): UpstreamError {
  return new UpstreamError(codeOf(status, isRedirected), {
    message: `the upstream answered ${status}: ${what}`,
    status,
    retryAfterMs: retryAfterMs(headers),
  })
}

/** What a redirect led to refuses when its URL is too old: the registry itself has refused nothing. */
function codeOf(status: number, isRedirected: boolean) {
  if (status === 404 || status === 410) return 'NOT_FOUND'
  if (status === 429) return 'THROTTLED'
  if (status === 401 || status === 403) return isRedirected ? 'FAILED' : 'REFUSED'
  if (status === 408) return 'TIMEOUT'
  return status >= 500 ? 'FAILED' : 'INVALID'
}
