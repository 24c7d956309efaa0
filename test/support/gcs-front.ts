import { randomUUID } from 'node:crypto'
import * as http from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'

/** What is to go wrong with a request. */
export type Fault =
  /** It is answered so, and not done. */
  | { readonly status: number; readonly body?: unknown }
  /** It is done, and its answer lost. */
  | { readonly loseAnswer: true }
  /** The connection breaks after so many bytes of the answer. */
  | { readonly breakAfter: number }
  /** It waits for this before it is done. */
  | { readonly waitFor: Promise<void> }

const API = '/storage/v1'

interface ForwardOptions {
  readonly response: http.ServerResponse
  /** Where it goes. Default: what was asked for. */
  readonly url?: URL
  /** How many bytes of the answer are let through. */
  readonly breakAfter?: number
}

interface Source {
  /** As `/b/bucket/o/name`. */
  readonly key: string
  readonly generation: string | undefined
}

interface Listing {
  readonly items?: readonly { readonly name: string }[]
  readonly prefixes?: readonly string[]
}

/** Between the SDK and fake-gcs-server, whose shortcomings it makes up for:
 *
 *  - The base of the API is the server itself, as clients have it that are told of it by `STORAGE_EMULATOR_HOST`.
 *  - `ifGenerationMatch` holds for compositions, copies and removals as well, `ifSourceGenerationMatch` for copies, and
 *    the generations of what is composed; a composition is a new generation.
 *  - A composition of what is not there is a 404, not a 500.
 *  - Changes of an object's metadata are counted, and `ifMetagenerationMatch` holds for removals.
 *  - Folders count as objects do in a listing's pages, which have a length of 1000 where nobody asks for another.
 *
 *  @see https://cloud.google.com/storage/docs/json_api/v1 */
export class GcsFront {
  readonly #upstream: string
  readonly #server: http.Server
  readonly #agent = new http.Agent({ keepAlive: true })
  readonly #metagenerations = new Metagenerations()
  /** False to be a server that leaves metagenerations out. */
  countsMetadata = true
  /** Writes of one object come one after the other. */
  readonly #turns = new Map<string, Promise<unknown>>()
  /** Asked about every request. */
  fault: (request: http.IncomingMessage) => Fault | undefined = () => undefined
  /** Method and URL of every request, in order. */
  readonly requests: string[] = []

  private constructor(upstream: string) {
    this.#upstream = upstream
    this.#server = http.createServer((request, response) => {
      this.#answer(request, response).catch(() => response.destroy())
    })
  }

  static async start(upstream: string): Promise<GcsFront> {
    const front = new GcsFront(upstream)
    await new Promise<void>((resolve) => front.#server.listen(0, '127.0.0.1', resolve))
    return front
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`
  }

  /** Forgets the requests so far. */
  forget(): void {
    this.requests.length = 0
  }

  /** Of the requests so far those that fit, such as `POST /upload/…`. */
  requestsLike(pattern: RegExp): string[] {
    return this.requests.filter((request) => pattern.test(request))
  }

  /** Lets the first requests that fit go wrong. */
  failFirst(pattern: RegExp, fault: Fault, times = 1): void {
    let left = times
    this.fault = ({ method, url }) => (pattern.test(`${method} ${url}`) && left-- > 0 ? fault : undefined)
  }

  /** Nobody answers on its port while the work goes on. */
  async away(work: () => Promise<void>): Promise<void> {
    const { port } = this.#server.address() as AddressInfo
    this.#server.closeAllConnections()
    await new Promise((resolve) => this.#server.close(resolve))
    await work()
    await new Promise<void>((resolve) => this.#server.listen(port, '127.0.0.1', resolve))
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    this.#agent.destroy()
    await new Promise((resolve) => this.#server.close(resolve))
  }

  async #answer(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    this.requests.push(`${request.method} ${request.url}`)
    const fault = this.fault(request)
    if (fault === undefined) return this.#serve(request, response)
    if ('status' in fault) {
      await buffer(request)
      return sendJson(response, { body: errorOf(fault.status, 'as the test wants it'), ...fault })
    }
    if ('breakAfter' in fault) return this.#forward(request, { response, breakAfter: fault.breakAfter })
    if ('waitFor' in fault) {
      await fault.waitFor
      return this.#serve(request, response)
    }
    await this.#serve(request, new http.ServerResponse(request))
    response.destroy()
  }

  async #serve(request: http.IncomingMessage, response: http.ServerResponse): Promise<void> {
    const url = this.#urlOf(request)
    const key = writtenKey(request, url)
    if (key !== undefined) return this.#inTurn(key, () => this.#write(request, { response, url, key }))
    if (request.method === 'GET' && url.pathname.endsWith('/o')) return this.#list(url, response)
    if (url.searchParams.get('fields') === 'generation,metageneration') return this.#state(url, response)
    await this.#forward(request, { response })
  }

  #urlOf({ url = '' }: http.IncomingMessage): URL {
    return new URL(url.startsWith('/b') ? API + url : url, this.#upstream)
  }

  async #write(
    request: http.IncomingMessage,
    { response, url, key }: { response: http.ServerResponse; url: URL; key: string },
  ): Promise<void> {
    const status = await this.#refusal(url, key)
    if (status !== undefined) {
      await buffer(request)
      return sendJson(response, { status, body: errorOf(status, 'conditionNotMet') })
    }
    if (url.pathname.endsWith('/compose')) return this.#compose(request, { response, key })
    if (request.method === 'PATCH' && this.countsMetadata)
      this.#metagenerations.count(key, await this.#generationOf(key))
    await this.#forward(request, { response, url: onItsSource(url) })
  }

  async #state(url: URL, response: http.ServerResponse): Promise<void> {
    const answer = await fetch(url)
    const body = (await answer.json()) as { generation?: string }
    const metageneration = this.#metagenerations.of(writtenKeyOf(url) ?? '', body.generation ?? '')
    sendJson(response, { status: answer.status, body: { ...body, metageneration } })
  }

  async #refusal({ pathname, searchParams }: URL, key: string): Promise<404 | 412 | undefined> {
    const expectedMetadata = searchParams.get('ifMetagenerationMatch')
    if (expectedMetadata !== null && this.countsMetadata) {
      const generation = await this.#generationOf(key)
      if (this.#metagenerations.of(key, generation) !== expectedMetadata) return 412
    }
    const expected = searchParams.get('ifGenerationMatch')
    if (expected !== null && (await this.#generationOf(key)) !== expected) return 412
    const expectedSource = searchParams.get('ifSourceGenerationMatch')
    if (expectedSource === null) return undefined
    const source = await this.#generationOf(sourceKey(pathname))
    if (source === '0') return 404
    return source === expectedSource ? undefined : 412
  }

  /** '0' where there is none. */
  async #generationOf(key: string): Promise<string> {
    const answer = await fetch(this.#upstream + API + key)
    const { generation = '0' } = (await answer.json().catch(() => ({}))) as { generation?: string }
    return generation
  }

  /** The program would leave an object its generation, so it is composed elsewhere and copied. */
  async #compose(
    request: http.IncomingMessage,
    { response, key }: { response: http.ServerResponse; key: string },
  ): Promise<void> {
    const aside = key.replace(/[^/]+$/, randomUUID())
    const body = await buffer(request)
    if (!(await this.#areThere(sourcesOf(key, body)))) {
      return sendJson(response, { status: 404, body: errorOf(404, 'a source is not there') })
    }
    const composed = await fetch(`${this.#upstream}${API}${aside}/compose`, { method: 'POST', body })
    const copied = await fetch(`${this.#upstream}${API}${aside}/rewriteTo${key}`, { method: 'POST' })
    await fetch(`${this.#upstream}${API}${aside}`, { method: 'DELETE' })
    const { resource } = (await copied.json()) as { resource: unknown }
    sendJson(response, { status: composed.ok ? 200 : composed.status, body: resource })
  }

  async #areThere(sources: readonly Source[]): Promise<boolean> {
    const areThere = sources.map(async ({ key, generation }) => {
      const found = await this.#generationOf(key)
      return found !== '0' && found === (generation ?? found)
    })
    return (await Promise.all(areThere)).every(Boolean)
  }

  /** The program's own pages are right where no folders are asked for. */
  async #list(url: URL, response: http.ServerResponse): Promise<void> {
    const { searchParams } = url
    const most = Number(searchParams.get('maxResults') ?? 1000)
    const hasFolders = searchParams.has('delimiter')
    if (hasFolders) {
      const token = searchParams.get('pageToken')
      if (token !== null) searchParams.set('startOffset', token)
      searchParams.delete('pageToken')
      searchParams.delete('maxResults')
    } else {
      searchParams.set('maxResults', `${most}`)
    }
    const answer = await fetch(url)
    const body = (await answer.json()) as Listing
    sendJson(response, { status: answer.status, body: hasFolders ? firstPage(body, most) : body })
  }

  #forward(
    request: http.IncomingMessage,
    { response, url = this.#urlOf(request), breakAfter = Infinity }: ForwardOptions,
  ): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const { host: _host, ...headers } = request.headers
    const options = { method: request.method, headers, agent: this.#agent }
    const outgoing = http.request(url, options, (incoming) => {
      response.writeHead(incoming.statusCode ?? 500, incoming.headers)
      let sent = 0
      incoming.on('data', (chunk: Buffer) => {
        const rest = chunk.subarray(0, breakAfter - sent)
        sent += rest.byteLength
        if (!response.write(rest) && response.socket) {
          incoming.pause()
          response.once('drain', () => incoming.resume())
        }
        if (sent >= breakAfter) response.socket?.end(() => response.destroy())
      })
      incoming.on('error', reject)
      incoming.on('end', () => {
        response.end()
        resolve()
      })
    })
    response.on('close', () => {
      outgoing.destroy()
      resolve()
    })
    outgoing.on('error', reject)
    request.pipe(outgoing)
    return promise
  }

  async #inTurn(key: string, work: () => Promise<void>): Promise<void> {
    const turn = Promise.allSettled([this.#turns.get(key)]).then(work)
    this.#turns.set(key, turn)
    try {
      await turn
    } finally {
      if (this.#turns.get(key) === turn) this.#turns.delete(key)
    }
  }
}

/** The path of the object that a request writes, as `/b/bucket/o/name`; undefined where it writes none. */
function writtenKey({ method }: http.IncomingMessage, { pathname, searchParams }: URL): string | undefined {
  if (method === 'GET') return undefined
  const name = searchParams.get('name')
  if (pathname.startsWith('/upload/') && name !== null) {
    return `${pathname.slice(pathname.indexOf('/b/'))}/${encodeURIComponent(name)}`
  }
  return writtenKeyOf(new URL(pathname, 'http://server'))
}

function writtenKeyOf({ pathname }: URL): string | undefined {
  return /(\/b\/[^/]+\/o\/[^/]+)(\/compose)?$/.exec(pathname)?.[1]
}

/** How often the metadata of each generation of an object was changed, from 1. */
class Metagenerations {
  readonly #changes = new Map<string, number>()

  of(key: string, generation: string): string {
    return `${1 + (this.#changes.get(`${key}#${generation}`) ?? 0)}`
  }

  count(key: string, generation: string): void {
    const name = `${key}#${generation}`
    this.#changes.set(name, (this.#changes.get(name) ?? 0) + 1)
  }
}

/** Of a copy that was found to be of the right source: the same for the program, which could come upon another by then. */
function onItsSource(url: URL): URL {
  const expected = url.searchParams.get('ifSourceGenerationMatch')
  if (expected !== null) url.searchParams.set('sourceGeneration', expected)
  return url
}

/** Of a copy. */
function sourceKey(pathname: string): string {
  const key = /(\/b\/[^/]+\/o\/[^/]+)\/rewriteTo/.exec(pathname)
  return key?.[1] as string
}

/** Of a composition, which names them within the bucket. */
function sourcesOf(key: string, body: Buffer): Source[] {
  const { sourceObjects } = JSON.parse(body.toString()) as { sourceObjects: (Source & { name: string })[] }
  return sourceObjects.map(({ name, generation }) => ({
    key: key.replace(/[^/]+$/, encodeURIComponent(name)),
    generation,
  }))
}

function firstPage({ items = [], prefixes = [], ...rest }: Listing, most: number) {
  const keys = [...items.map(({ name }) => name), ...prefixes].sort()
  const next = keys[most]
  const isInPage = (key: string) => next === undefined || key < next
  return {
    ...rest,
    items: items.filter(({ name }) => isInPage(name)),
    prefixes: prefixes.filter(isInPage),
    nextPageToken: next,
  }
}

function sendJson(response: http.ServerResponse, { status, body }: { status: number; body: unknown }): void {
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(JSON.stringify(body))
}

function errorOf(code: number, message: string) {
  return { error: { code, message, errors: [{ reason: 'test' }] } }
}
