import { once } from 'node:events'
import { createServer, type IncomingMessage, request, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Exchange {
  readonly method: string
  /** With the query. */
  readonly path: string
  readonly status: number
  /** The request's `Range`. */
  readonly range: string | undefined
  /** The answer's `Content-Type`. */
  readonly contentType: string | undefined
}

/** Passes every request on to a registry and remembers what was asked and answered. It keeps the client's `Host`, so
 *  that absolute locations come back through it too. */
export class RecordingProxy {
  readonly exchanges: Exchange[] = []
  readonly #server: Server

  private constructor(target: string) {
    this.#server = createServer((incoming, answer) => this.#pass(incoming, { answer, target }))
  }

  static async start(target: string): Promise<RecordingProxy> {
    const proxy = new RecordingProxy(target)
    proxy.#server.listen(0, '127.0.0.1')
    await once(proxy.#server, 'listening')
    return proxy
  }

  get address(): string {
    const { address, port } = this.#server.address() as AddressInfo
    return `${address}:${port}`
  }

  /** The mounts that were asked for in a repository since the start, with their answers. */
  mountsInto(repository: string): Exchange[] {
    const start = `/v2/${repository}/blobs/uploads/?`
    return this.exchanges.filter(({ path }) => path.startsWith(start) && path.includes('mount='))
  }

  /** The uploads of bytes into a repository since the start. */
  uploadsInto(repository: string): Exchange[] {
    const start = `/v2/${repository}/blobs/uploads/`
    return this.exchanges.filter(({ method, path }) => path.startsWith(start) && method !== 'POST')
  }

  async stop(): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.#server.closeAllConnections()
    await closed
  }

  #pass(incoming: IncomingMessage, { answer, target }: { answer: ServerResponse; target: string }): void {
    const { method = 'GET', url: path = '/', headers } = incoming
    const { hostname, port } = new URL(target)
    const onward = request({ hostname, port, path, method, headers }, (reply) => {
      const status = reply.statusCode ?? 0
      const contentType = reply.headers['content-type']
      this.exchanges.push({ method, path, status, range: headers.range, contentType })
      answer.writeHead(status, reply.rawHeaders)
      reply.pipe(answer)
    })
    onward.on('error', (cause) => answer.destroy(cause))
    incoming.pipe(onward)
  }
}
