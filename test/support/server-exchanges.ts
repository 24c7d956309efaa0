import { channel } from 'node:diagnostics_channel'
import { EventEmitter, once } from 'node:events'

/** What the servers in this process know of their connections: a test can wait until they have noticed that a client left. */
export class ServerExchanges implements Disposable {
  readonly #closed: Promise<unknown>[] = []
  readonly #begun = new EventEmitter()
  readonly #http1 = channel('http.server.request.start')
  readonly #http2 = channel('http2.server.stream.start')

  constructor() {
    this.#http1.subscribe(this.#onRequest)
    this.#http2.subscribe(this.#onStream)
  }

  /** Fulfilled when the connection or the stream of the last request is closed.
   *  @param count how many requests were sent since the start */
  async closed(count: number): Promise<void> {
    while (this.#closed.length < count) await once(this.#begun, 'request')
    await this.#closed[count - 1]
  }

  /** How many requests have come. */
  get count(): number {
    return this.#closed.length
  }

  readonly #onRequest = (message: unknown) => this.#begin((message as { response: EventEmitter }).response)

  readonly #onStream = (message: unknown) => this.#begin((message as { stream: EventEmitter }).stream)

  #begin(exchange: EventEmitter): void {
    this.#closed.push(new Promise((resolve) => exchange.once('close', resolve)))
    this.#begun.emit('request')
  }

  [Symbol.dispose](): void {
    this.#http1.unsubscribe(this.#onRequest)
    this.#http2.unsubscribe(this.#onStream)
  }
}
