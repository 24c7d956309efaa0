/** An upstream registry that misbehaves as a test says: a real HTTP server over content in memory. */
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { createServer as createTlsServer, type ServerOptions } from 'node:https'
import type { AddressInfo } from 'node:net'
import { digestOf } from '../../src/core/digest.ts'

export interface SeenRequest {
  readonly method: string
  /** With its query. */
  readonly path: string
  readonly headers: IncomingMessage['headers']
}

/** Answers a request, or returns false to leave that to the content. */
export type Script = (request: IncomingMessage, response: ServerResponse) => boolean | Promise<boolean>

interface StoredManifest {
  readonly mediaType: string
  readonly bytes: Buffer
}

export class ScriptedUpstream implements AsyncDisposable {
  readonly url: string
  readonly requests: SeenRequest[] = []
  readonly #server: Server
  readonly #blobs = new Map<string, Buffer>()
  readonly #manifests = new Map<string, StoredManifest>()
  /** By repository and tag. */
  readonly #tags = new Map<string, string>()
  script: Script = () => false

  private constructor(server: Server, scheme: string) {
    this.#server = server
    this.url = `${scheme}://127.0.0.1:${(server.address() as AddressInfo).port}`
  }

  static async start({
    tls,
    port = 0,
  }: {
    tls?: ServerOptions
    port?: number
  } = {}): Promise<ScriptedUpstream> {
    const listener = (request: IncomingMessage, response: ServerResponse) => {
      void upstream.#serve(request, response)
    }
    const server = tls === undefined ? createServer(listener) : createTlsServer(tls, listener)
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    const upstream = new ScriptedUpstream(server, tls === undefined ? 'http' : 'https')
    return upstream
  }

  get host(): string {
    return new URL(this.url).host
  }

  addBlob(bytes: Buffer): string {
    const digest = digestOf(bytes)
    this.#blobs.set(digest, bytes)
    return digest
  }

  addManifest(bytes: Buffer, mediaType: string): string {
    const digest = digestOf(bytes)
    this.#manifests.set(digest, { bytes, mediaType })
    return digest
  }

  setTag(repository: string, tag: string, digest: string | undefined): void {
    if (digest === undefined) this.#tags.delete(`${repository}:${tag}`)
    else this.#tags.set(`${repository}:${tag}`, digest)
  }

  /** The requests of that method whose path matches. */
  seen(method: string, pattern: RegExp): SeenRequest[] {
    return this.requests.filter((request) => request.method === method && pattern.test(request.path))
  }

  /** No connection is taken any more, and those that are open end. */
  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    this.#server.closeAllConnections()
    await closed
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #serve(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '', headers } = request
    this.requests.push({ method, path: url, headers })
    if (await this.script(request, response)) return
    this.answer(request, response)
  }

  /** As a registry would. */
  answer(request: IncomingMessage, response: ServerResponse): void {
    const path = (request.url ?? '').split('?')[0] ?? ''
    const [, repository = '', kind = '', reference = ''] =
      /^\/v2\/(.+)\/(manifests|blobs|tags|referrers)\/([^/]+)$/.exec(path) ?? []
    if (kind === 'manifests') this.#answerManifest(request, response, { repository, reference })
    else if (kind === 'blobs') this.#answerBlob(request, response, reference)
    else if (kind === 'tags') {
      const names = [...this.#tags.keys()].filter((key) => key.startsWith(`${repository}:`))
      const tags = names.map((key) => key.slice(repository.length + 1))
      response
        .writeHead(200, { 'content-type': 'application/json' })
        .end(JSON.stringify({ name: repository, tags }))
    } else response.writeHead(404).end()
  }

  #answerManifest(
    { method }: IncomingMessage,
    response: ServerResponse,
    { repository, reference }: { repository: string; reference: string },
  ): void {
    const digest = this.#tags.get(`${repository}:${reference}`) ?? reference
    const manifest = this.#manifests.get(digest)
    if (manifest === undefined) {
      response.writeHead(404).end()
      return
    }
    response.writeHead(200, {
      'content-type': manifest.mediaType,
      'content-length': manifest.bytes.length,
      'docker-content-digest': digest,
    })
    response.end(method === 'HEAD' ? undefined : manifest.bytes)
  }

  #answerBlob({ method, headers }: IncomingMessage, response: ServerResponse, digest: string): void {
    const bytes = this.#blobs.get(digest)
    if (bytes === undefined) {
      response.writeHead(404).end()
      return
    }
    const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(headers.range ?? '') ?? []
    const common = { etag: `"${digest}"`, 'docker-content-digest': digest }
    if (from === undefined || method === 'HEAD') {
      response.writeHead(200, { ...common, 'content-length': bytes.length })
      response.end(method === 'HEAD' ? undefined : bytes)
      return
    }
    const end = to ? Number(to) : bytes.length - 1
    const part = bytes.subarray(Number(from), end + 1)
    response.writeHead(206, {
      ...common,
      'content-length': part.length,
      'content-range': `bytes ${from}-${end}/${bytes.length}`,
    })
    response.end(part)
  }
}
