import type { Answer, ConnectionOptions, Connections, HttpRequest, OpenConnections } from './connections.ts'
import { openNodeConnections } from './node-connections.ts'

/** From as many bytes on undici is loaded. It takes as long as Node's client needs for some ten more. */
const MANY_BYTES = 16 * 1024 ** 2

/** Node's own connections, which are there at once, and undici's once many bytes have been transferred: these need half of the
 *  processor time for each byte. */
export const openAdaptiveConnections: OpenConnections = (options) => new AdaptiveConnections(options)

class AdaptiveConnections implements Connections {
  readonly #options: ConnectionOptions
  readonly #first: Connections
  #later: Connections | undefined
  #bytes = 0
  #isLoading = false
  #isDestroyed = false

  constructor(options: ConnectionOptions) {
    this.#options = options
    this.#first = openNodeConnections(options)
  }

  async send(request: HttpRequest): Promise<Answer> {
    const { method, headers, body } = request
    if (body !== undefined) this.#count(headers['content-length'])
    const answer = await (this.#later ?? this.#first).send(request)
    if (method !== 'HEAD') this.#count(answer.headers['content-length'])
    return answer
  }

  async destroy(): Promise<void> {
    this.#isDestroyed = true
    await Promise.all([this.#first.destroy(), this.#later?.destroy()])
  }

  #count(length: string | undefined): void {
    this.#bytes += Number(length ?? 0) || 0
    if (this.#bytes < MANY_BYTES || this.#isLoading) return
    this.#isLoading = true
    void import('./undici-connections.ts').then(({ openUndiciConnections }) => {
      if (!this.#isDestroyed) this.#later = openUndiciConnections(this.#options)
    })
  }
}
