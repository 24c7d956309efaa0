import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo, ListenOptions } from 'node:net'
import { HEALTHY, type Health } from '../core/health.ts'
import type { Log } from '../core/log.ts'

export interface DebugServerOptions {
  /** Undefined if metrics are disabled. */
  metrics?: MetricsPage | undefined
  /** Default: no checks. */
  health?: Health
  /** Variables at `/debug/vars`, in the format of Go's package expvar. Default: no such page. */
  variables?: (() => object) | undefined
  log: Log
}

export interface MetricsPage {
  readonly path: string
  /** The text format of Prometheus, version 0.0.4. */
  render(): Promise<string>
}

/** The server for operators, on an address of its own: metrics and health. */
export class DebugServer {
  readonly #server: Server
  readonly #metrics: MetricsPage | undefined
  readonly #health: Health
  readonly #variables: (() => object) | undefined
  readonly #log: Log

  constructor({ metrics, health = HEALTHY, variables, log }: DebugServerOptions) {
    this.#variables = variables
    this.#metrics = metrics
    this.#health = health
    this.#log = log
    this.#server = createServer((request, response) => void this.#answer(request, response))
  }

  /** Starts to listen; resolves to the address.
   *  @throws Error if the address is in use, or not of this machine */
  async listen(options: ListenOptions): Promise<AddressInfo> {
    this.#server.listen(options)
    await once(this.#server, 'listening')
    return this.#server.address() as AddressInfo
  }

  /** Closes the server, after a short time for responses under way. */
  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    const cutOff = setTimeout(() => this.#server.closeAllConnections(), LAST_ANSWERS_MS)
    await closed
    clearTimeout(cutOff)
  }

  async #answer({ method = '', url = '' }: IncomingMessage, response: ServerResponse): Promise<void> {
    const { status, headers, body } = await this.#page(method, url.replace(/\?.*$/s, ''))
    response.writeHead(status, {
      'content-type': 'text/plain; charset=utf-8',
      'x-content-type-options': 'nosniff',
      ...headers,
      'content-length': Buffer.byteLength(body),
    })
    response.end(body)
  }

  async #page(method: string, path: string): Promise<Page> {
    const render = this.#pageAt(path)
    if (render === undefined) return { status: 404, body: '404 page not found\n' }
    if (method !== 'GET' && method !== 'HEAD') {
      return { status: 405, headers: { allow: 'GET, HEAD' }, body: '405 method not allowed\n' }
    }
    return render()
  }

  #pageAt(path: string): (() => Promise<Page>) | undefined {
    if (path === this.#metrics?.path) return () => this.#scrape(this.#metrics as MetricsPage)
    const variables = this.#variables
    if (path === VARIABLES_PATH && variables) return async () => jsonPage(200, variables())
    if (path === HEALTH_PATH) return async () => healthPage(this.#health)
    return undefined
  }

  async #scrape(metrics: MetricsPage): Promise<Page> {
    try {
      const headers = { 'content-type': 'text/plain; version=0.0.4; charset=utf-8' }
      return { status: 200, headers, body: await metrics.render() }
    } catch (error) {
      this.#log.error({ err: error }, 'the metrics could not be collected')
      return { status: 500, body: '500 the metrics could not be collected\n' }
    }
  }
}

interface Page {
  readonly status: number
  readonly headers?: Readonly<Record<string, string>>
  readonly body: string
}

const HEALTH_PATH = '/debug/health'

/** Distribution's answer: the failed checks by name. */
function healthPage({ failures }: Health): Page {
  return jsonPage(failures.size === 0 ? 200 : 503, Object.fromEntries(failures))
}

const VARIABLES_PATH = '/debug/vars'

function jsonPage(status: number, value: object): Page {
  return {
    status,
    headers: { 'content-type': 'application/json; charset=utf-8' },
    body: JSON.stringify(value),
  }
}

const LAST_ANSWERS_MS = 1_000
