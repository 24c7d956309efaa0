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
import { readAnswer, readJson } from './authorization.ts'
import { blobOf } from './blob-answer.ts'
import type { Answer } from './http/connections.ts'
import { nextPage } from './pages.ts'
import { referrersIn } from './referrers.ts'
import { type RegistryClientOptions, type RegistryRequest, RegistryRequests } from './registry-requests.ts'
import { discard, transportError } from './transport.ts'

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

type ListCall = Omit<RegistryRequest, 'method'>

/** A client of the distribution API. OCI Distribution Specification 1.1; Docker Registry HTTP API V2. */
export class RegistryClient implements UpstreamRegistry {
  protected readonly requests: RegistryRequests

  constructor(options: RegistryClientOptions) {
    this.requests = new RegistryRequests(options)
  }

  get host(): string {
    return this.requests.host
  }

  get rateLimit(): RateLimit | undefined {
    return this.requests.rateLimit
  }

  async headManifest(
    repository: RepositoryName,
    reference: Tag | Digest,
    options: CallOptions = {},
  ): Promise<ManifestHead> {
    const answer = await this.requests.send({
      ...options,
      ...manifestCall(repository, reference),
      method: 'HEAD',
    })
    await discard(answer)
    return { digest: digestIn(answer) }
  }

  async getManifest(
    repository: RepositoryName,
    reference: Tag | Digest,
    options: CallOptions = {},
  ): Promise<UpstreamManifest> {
    const answer = await this.requests.send({
      ...options,
      ...manifestCall(repository, reference),
      method: 'GET',
    })
    const payload = await this.#read(answer, { maxBytes: MAX_MANIFEST_BYTES, signal: options.signal })
    const [contentType] = [answer.headers['content-type']].flat()
    return { digest: digestIn(answer), payload, contentType }
  }

  async headBlob(
    repository: RepositoryName,
    digest: Digest,
    options: CallOptions = {},
  ): Promise<number | undefined> {
    const answer = await this.requests.send({ ...options, ...blobCall(repository, digest), method: 'HEAD' })
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
    const answer = await this.requests.send({
      ...blobCall(repository, digest),
      method: 'GET',
      headers,
      signal,
    })
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
    return this.requests.close()
  }

  async *#list(call: ListCall, field: 'tags' | 'repositories'): AsyncIterable<string> {
    for await (const page of this.#pages(call)) {
      const names: unknown = Object(page)[field]
      if (Array.isArray(names)) yield* names.filter((name) => typeof name === 'string')
    }
  }

  async *#pages(call: ListCall): AsyncIterable<unknown> {
    let path: string | undefined = call.path
    for (let pages = 0; path !== undefined && pages < MAX_PAGES; pages++) {
      const answer: Answer = await this.requests.send({ ...call, path, method: 'GET' })
      yield await this.#within(readJson(answer, MAX_LIST_BYTES), call.signal)
      path = nextPage(answer.headers.link, this.requests.urlOf(path))
    }
  }

  #read(answer: Answer, { maxBytes, signal }: { maxBytes: number } & CallOptions): Promise<Buffer> {
    return this.#within(readAnswer(answer, maxBytes), signal)
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
