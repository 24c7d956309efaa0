/** A quick client of the distribution API, for suites that need more requests than a real client is good for. Whatever
 *  is not the expected answer throws. */
import { setTimeout as pause } from 'node:timers/promises'
import { type Content, type Image, type ImageIndex, mediaTypes, sha256 } from './oci-image.ts'

const manifestTypes = [
  mediaTypes.manifest,
  mediaTypes.index,
  'application/vnd.docker.distribution.manifest.v2+json',
  'application/vnd.docker.distribution.manifest.list.v2+json',
].join(', ')

export class UnexpectedAnswer extends Error {
  override readonly name = 'UnexpectedAnswer'
  readonly status: number

  constructor(request: string, { status, body }: { status: number; body: string }) {
    super(`${request}: ${status} ${body}`)
    this.status = status
  }
}

export interface RequestOptions {
  readonly method?: string
  readonly body?: Uint8Array
  readonly headers?: Readonly<Record<string, string>>
  /** The statuses that are no error. */
  readonly expect: readonly number[]
}

export interface UploadState {
  /** Where the next chunk goes: a path with its query, which is good for the registry's next process too. */
  readonly location: string
  /** Bytes the registry says it has. */
  readonly size: number
}

/** Longer than a process that was killed while it deleted manifests keeps others from deleting. */
const PATIENCE_MS = 30_000

export class RegistryClient {
  readonly #base: string

  /** @param base like `http://127.0.0.1:5000` */
  constructor(base: string) {
    this.#base = base
  }

  /** Of the registry that the next request goes to. */
  protected get base(): string {
    return this.#base
  }

  /** What is refused for the moment is asked again, as a patient client would.
   *  @throws UnexpectedAnswer also when it is still refused after a while */
  async request(path: string, options: RequestOptions): Promise<Response> {
    const deadline = performance.now() + PATIENCE_MS
    for (let expected = options.expect; ; ) {
      const answer = await this.#ask(path, options)
      if (expected.includes(answer.status)) return answer
      const body = await answer.text()
      const retryAfter = answer.headers.get('retry-after')
      if (answer.status !== 503 || retryAfter === null || performance.now() > deadline)
        throw new UnexpectedAnswer(`${options.method ?? 'GET'} ${path}`, { status: answer.status, body })
      await pause(1000 * Number(retryAfter))
      if (options.method === 'DELETE') expected = [...expected, 404] // it may have been done
    }
  }

  #ask(path: string, { method = 'GET', body, headers }: RequestOptions): Promise<Response> {
    const url = new URL(path, this.base)
    return fetch(url, { method, ...(body && { body: new Uint8Array(body) }), headers: { ...headers } })
  }

  async beginUpload(repository: string): Promise<UploadState> {
    const answer = await this.request(`/v2/${repository}/blobs/uploads/`, { method: 'POST', expect: [202] })
    await answer.arrayBuffer()
    return { location: locationOf(answer), size: 0 }
  }

  /** Sends one chunk; returns the state as the registry acknowledged it. */
  async sendChunk(upload: UploadState, chunk: Uint8Array): Promise<UploadState> {
    const range = `${upload.size}-${upload.size + chunk.length - 1}`
    const headers = { 'content-type': 'application/octet-stream', 'content-range': range }
    const answer = await this.request(upload.location, {
      method: 'PATCH',
      body: chunk,
      headers,
      expect: [202],
    })
    await answer.arrayBuffer()
    return { location: locationOf(answer), size: acknowledgedSize(answer) }
  }

  /** What the registry has of an upload; undefined when it does not know it. */
  async uploadState(location: string): Promise<UploadState | undefined> {
    const answer = await this.request(location, { expect: [204, 404] })
    await answer.arrayBuffer()
    if (answer.status === 404) return undefined
    return { location: locationOf(answer), size: acknowledgedSize(answer) }
  }

  async finishUpload(
    upload: UploadState,
    { digest, rest }: { digest: string; rest?: Uint8Array },
  ): Promise<void> {
    const location = new URL(upload.location, 'http://registry')
    location.searchParams.set('digest', digest)
    const headers = { 'content-type': 'application/octet-stream' }
    const put = { method: 'PUT', headers, expect: [201], ...(rest && { body: rest }) }
    await (await this.request(`${location.pathname}${location.search}`, put)).arrayBuffer()
  }

  async pushBlob(repository: string, bytes: Uint8Array): Promise<string> {
    const digest = sha256(bytes)
    await this.finishUpload(await this.beginUpload(repository), { digest, rest: bytes })
    return digest
  }

  /** Makes another repository's blob one of this repository too. Returns false when the registry wants its bytes. */
  async mountBlob(repository: string, { digest, from }: { digest: string; from: string }): Promise<boolean> {
    const path = `/v2/${repository}/blobs/uploads/?mount=${digest}&from=${from}`
    const answer = await this.request(path, { method: 'POST', expect: [201, 202] })
    await answer.arrayBuffer()
    return answer.status === 201
  }

  async hasBlob(repository: string, digest: string): Promise<boolean> {
    const answer = await this.request(`/v2/${repository}/blobs/${digest}`, {
      method: 'HEAD',
      expect: [200, 404],
    })
    return answer.status === 200
  }

  /** Its bytes; undefined when the repository does not have it. */
  async blob(repository: string, digest: string): Promise<Buffer | undefined> {
    return bytesOf(await this.request(`/v2/${repository}/blobs/${digest}`, { expect: [200, 404] }))
  }

  async deleteBlob(repository: string, digest: string): Promise<void> {
    await this.request(`/v2/${repository}/blobs/${digest}`, { method: 'DELETE', expect: [202] })
  }

  /** @param reference a tag or the digest */
  async pushManifest(repository: string, { reference, manifest }: { reference: string; manifest: Content }) {
    const headers = { 'content-type': manifest.descriptor.mediaType }
    const put = { method: 'PUT', body: manifest.bytes, headers, expect: [201] }
    await (await this.request(`/v2/${repository}/manifests/${reference}`, put)).arrayBuffer()
  }

  /** Its bytes, by tag or digest; undefined when there is none. */
  async manifest(repository: string, reference: string): Promise<Buffer | undefined> {
    const headers = { accept: manifestTypes }
    return bytesOf(
      await this.request(`/v2/${repository}/manifests/${reference}`, { headers, expect: [200, 404] }),
    )
  }

  /** By digest: the manifest and every tag that names it. By tag: the tag, where the registry can. */
  async deleteManifest(repository: string, reference: string): Promise<void> {
    const path = `/v2/${repository}/manifests/${reference}`
    await (await this.request(path, { method: 'DELETE', expect: [202] })).arrayBuffer()
  }

  /** Pushes the blobs that the repository lacks, then the manifest under the tag. */
  async pushImage(repository: string, { tag, image }: { tag: string; image: Image }): Promise<void> {
    await this.pushBlobs(repository, image)
    await this.pushManifest(repository, { reference: tag, manifest: image.manifest })
  }

  async pushIndex(repository: string, { tag, index }: { tag: string; index: ImageIndex }): Promise<void> {
    for (const image of index.images) {
      await this.pushImage(repository, { tag: image.manifest.descriptor.digest, image })
    }
    await this.pushManifest(repository, { reference: tag, manifest: index.manifest })
  }

  async pushBlobs(repository: string, image: Image): Promise<void> {
    for (const { descriptor, bytes } of [...image.layers, image.config]) {
      if (!(await this.hasBlob(repository, descriptor.digest))) await this.pushBlob(repository, bytes)
    }
  }

  /** Every tag, through all pages; undefined for a repository that the registry does not know. */
  async tags(repository: string): Promise<string[] | undefined> {
    const path = `/v2/${repository}/tags/list?n=50`
    const first = await this.request(path, { expect: [200, 404] })
    if (first.status === 404) return undefined
    return this.#pages(first, 'tags')
  }

  /** The digest of every manifest that refers to this one, through all pages. */
  async referrers(repository: string, digest: string): Promise<string[]> {
    const path = `/v2/${repository}/referrers/${digest}?n=50`
    const entries = await this.#pages<{ digest: string }>(
      await this.request(path, { expect: [200] }),
      'manifests',
    )
    return entries.map((entry) => entry.digest)
  }

  /** The name of every repository, through all pages. */
  async catalog(): Promise<string[]> {
    return this.#pages(await this.request('/v2/_catalog?n=50', { expect: [200] }), 'repositories')
  }

  async #pages<Item = string>(first: Response, list: 'tags' | 'repositories' | 'manifests'): Promise<Item[]> {
    const items: Item[] = []
    for (let page: Response | undefined = first; page !== undefined; ) {
      const next: string | undefined = /<([^>]+)>;\s*rel="?next"?/.exec(page.headers.get('link') ?? '')?.[1]
      const body = (await page.json()) as Partial<Record<typeof list, Item[] | null>>
      items.push(...(body[list] ?? []))
      page = next === undefined ? undefined : await this.request(next, { expect: [200] })
    }
    return items
  }
}

function locationOf(answer: Response): string {
  const location = answer.headers.get('location')
  if (location === null) throw new Error(`${answer.url}: an answer without a Location`)
  const { pathname, search } = new URL(location, answer.url)
  return `${pathname}${search}`
}

function acknowledgedSize(answer: Response): number {
  const end = /^0-(\d+)$/.exec(answer.headers.get('range') ?? '')?.[1]
  if (end === undefined) throw new Error(`${answer.url}: an answer without a Range`)
  return end === '0' ? 0 : Number(end) + 1
}

async function bytesOf(answer: Response): Promise<Buffer | undefined> {
  const bytes = Buffer.from(await answer.arrayBuffer())
  return answer.status === 404 ? undefined : bytes
}
