/** A registry client as small as a bench needs: it pushes as docker does, and checks every answer. */
import { Agent, type IncomingMessage, type OutgoingHttpHeaders, request } from 'node:http'
import { type Content, digestOf, type Image, type StreamedContent } from './content.ts'
import { sendBody } from './send-body.ts'

interface Call {
  readonly method: 'GET' | 'POST' | 'PUT'
  /** A path, or the URL in a `Location`. */
  readonly url: string
  readonly expect: number
  readonly headers?: OutgoingHttpHeaders
  readonly body?: Buffer
}
interface Answer {
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
}

export class RegistryClient {
  readonly #base: string
  readonly #agent = new Agent({ keepAlive: true })
  readonly #authorization: string | undefined

  /** @param authorization the header of that name, where the registry asks who one is */
  constructor(port: number, authorization?: string) {
    this.#base = `http://127.0.0.1:${port}`
    this.#authorization = authorization
  }

  /** POST, then PUT with the bytes. */
  async pushBlob(repository: string, content: Content): Promise<void> {
    const location = await this.#beginUpload(repository)
    const headers = { 'Content-Type': 'application/octet-stream' }
    const url = withDigest(location, content.digest)
    await this.#call({ method: 'PUT', url, expect: 201, headers, body: content.bytes })
  }

  /** POST, then one PATCH without a `Content-Length`, then PUT without a body. */
  async pushStream(repository: string, content: StreamedContent): Promise<void> {
    const url = await this.#beginUpload(repository)
    const answer = await sendBody('PATCH', new URL(url), { pieces: content.chunks() })
    if (answer.status !== 202) throw new Error(`PATCH ${url} answered ${answer.status}`)
    const location = this.#resolve(answer.location)
    await this.#call({ method: 'PUT', url: withDigest(location, content.digest), expect: 201 })
  }

  /** POST, then one PUT with the bytes and their length. */
  async pushWhole(repository: string, content: StreamedContent): Promise<void> {
    const url = withDigest(await this.#beginUpload(repository), content.digest)
    const { size: length } = content
    const answer = await sendBody('PUT', new URL(url), { pieces: content.pieces(), length })
    if (answer.status !== 201) throw new Error(`PUT ${url} answered ${answer.status}`)
  }

  async pushManifest(repository: string, tag: string, manifest: Content): Promise<void> {
    const url = `/v2/${repository}/manifests/${tag}`
    const headers = { 'Content-Type': manifest.mediaType }
    await this.#call({ method: 'PUT', url, expect: 201, headers, body: manifest.bytes })
  }

  /** The blobs one after the other, then the manifest under its tag. */
  async pushImage(repository: string, tag: string, image: Image): Promise<void> {
    for (const blob of image.blobs) await this.pushBlob(repository, blob)
    await this.pushManifest(repository, tag, image.manifest)
  }

  /** Throws unless the content at `path`, asked for as one of the `accept`ed types, hashes to the digest it should. */
  async verify(path: string, { digest, accept }: { digest: string; accept: string }): Promise<void> {
    const call = { method: 'GET', url: path, expect: 200, headers: { Accept: accept } } as const
    const { headers, body } = await this.#call(call)
    const answered = [headers['docker-content-digest'], digestOf(body)]
    if (answered.every((each) => each === digest)) return
    throw new Error(`GET ${path} answered ${answered.join(', ')}`)
  }

  close(): void {
    this.#agent.destroy()
  }

  async #beginUpload(repository: string): Promise<string> {
    const answer = await this.#call({ method: 'POST', url: `/v2/${repository}/blobs/uploads/`, expect: 202 })
    return this.#resolve(answer.headers.location)
  }

  #resolve(location: string | undefined): string {
    return new URL(location!, this.#base).href
  }

  async #call(call: Call): Promise<Answer> {
    const response = await this.#send(call)
    const received: Buffer[] = []
    for await (const chunk of response as AsyncIterable<Buffer>) received.push(chunk)
    const body = Buffer.concat(received)
    if (response.statusCode === call.expect) return { headers: response.headers, body }
    throw new Error(
      `${call.method} ${call.url} answered ${response.statusCode}: ${body.toString('utf8', 0, 300).trim()}`,
    )
  }

  #send({ method, url, headers = {}, body = Buffer.alloc(0) }: Call): Promise<IncomingMessage> {
    const { promise, resolve, reject } = Promise.withResolvers<IncomingMessage>()
    const outgoing = request(new URL(url, this.#base), { method, agent: this.#agent, headers }, resolve)
    outgoing.on('error', reject)
    if (this.#authorization !== undefined) outgoing.setHeader('Authorization', this.#authorization)
    if (method !== 'GET') outgoing.setHeader('Content-Length', body.length)
    outgoing.end(body)
    return promise
  }
}

function withDigest(location: string, digest: string): string {
  const url = new URL(location)
  url.searchParams.set('digest', digest)
  return url.href
}
