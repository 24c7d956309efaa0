import { createServer, type IncomingHttpHeaders, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'

/** An event as it arrived, in an envelope of Distribution. */
export interface ReceivedEvent {
  readonly id: string
  readonly timestamp: string
  readonly action: string
  readonly target: Readonly<Record<string, unknown>> & { readonly repository: string; readonly tag?: string }
  readonly request: Readonly<Record<string, unknown>>
  readonly actor: Readonly<Record<string, unknown>>
  readonly source: Readonly<Record<string, unknown>>
}

export interface ReceivedPost {
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

type Answer = (post: ReceivedPost, response: ServerResponse) => void

const accept: Answer = (_, response) => response.writeHead(200).end()

/** A real receiver of webhooks on a free port, that answers as the test wants it. */
export class EventReceiver implements AsyncDisposable {
  readonly posts: ReceivedPost[] = []
  /** How each post is answered. Default: 200. */
  answer: Answer = accept
  readonly #server: Server
  #port: number

  private constructor(server: Server, port: number) {
    this.#server = server
    this.#port = port
  }

  static async start(port = 0): Promise<EventReceiver> {
    const server = createServer()
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject).listen(port, '127.0.0.1', resolve)
    })
    const receiver = new EventReceiver(server, (server.address() as AddressInfo).port)
    server.on('request', async (request, response) => {
      const body = await buffer(request).catch(() => undefined)
      if (body === undefined) return
      const post = { headers: request.headers, body }
      receiver.posts.push(post)
      receiver.answer(post, response)
    })
    return receiver
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}/events`
  }

  get port(): number {
    return this.#port
  }

  /** In the order in which they arrived; one that was sent twice is there twice. */
  get events(): ReceivedEvent[] {
    return this.posts.flatMap(({ body }) => eventsIn(body))
  }

  forget(): void {
    this.posts.length = 0
  }

  async close(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve))
    this.#server.closeAllConnections()
    await closed
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

export function eventsIn(body: Buffer): ReceivedEvent[] {
  return (JSON.parse(body.toString()) as { events: ReceivedEvent[] }).events
}
