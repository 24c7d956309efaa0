import { Agent, type Dispatcher, EnvHttpProxyAgent } from 'undici'
import type { RegistryEvent } from '../event.ts'
import type { EncodeEvents } from '../formats/format.ts'
import { signatureHeaders } from '../formats/signature.ts'
import { attempt } from './attempt.ts'
import { isLiteral, publicLookup } from './private-addresses.ts'

export interface SenderSettings {
  /** Credentials in it are sent as Distribution sends them: as `Authorization: Basic`. */
  readonly url: URL
  readonly headers: Readonly<Record<string, readonly string[]>>
  readonly timeoutMs: number
  readonly encode: EncodeEvents
  /** True if a request may have several events. */
  readonly takesSeveral: boolean
  /** Undefined to read them each time: files may change. Empty for no signature. */
  readonly secrets: () => Promise<readonly Uint8Array[]>
  /** Certificates in PEM that are trusted instead of the system's. Undefined for the system's. */
  readonly rootCertificates: readonly Buffer[] | undefined
  /** Private networks that its name may lead to. */
  readonly privateNetworks: readonly string[]
  readonly connections: number
  /** Headers that make a request part of a trace, asked for before each request. Default: none. */
  readonly traceHeaders?: (() => Readonly<Record<string, string>>) | undefined
}

/** What came of an attempt: delivered; refused with a status; or no answer. */
export type Delivery =
  | { readonly kind: 'delivered'; readonly status: number }
  | { readonly kind: 'refused'; readonly status: number }
  | { readonly kind: 'error'; readonly reason: string }

/** Sends events to one receiver. */
export interface EventSender {
  /** True if a request may have several events. */
  readonly takesSeveral: boolean
  /** Makes one attempt with one request. Never rejected. */
  send(events: readonly RegistryEvent[], signal: AbortSignal): Promise<Delivery>
  close(): Promise<void>
}

/** Sends events to one endpoint. No redirect is followed: a POST would become a GET, and the event be lost. */
export class Sender implements EventSender {
  readonly #settings: SenderSettings
  readonly #dispatcher: Dispatcher
  readonly #headers: readonly [string, string][]
  readonly #origin: string
  readonly #path: string

  constructor(settings: SenderSettings) {
    const { url, headers } = settings
    this.#settings = settings
    this.#dispatcher = dispatcherOf(settings)
    this.#origin = url.origin
    this.#path = `${url.pathname}${url.search}`
    const configured = Object.entries(headers).flatMap(([name, values]) =>
      values.map((value) => [name, value] as [string, string]),
    )
    const hasAuthorization = configured.some(([name]) => name.toLowerCase() === 'authorization')
    this.#headers =
      url.username === '' || hasAuthorization ? configured : [...configured, ['authorization', basic(url)]]
  }

  get takesSeveral(): boolean {
    return this.#settings.takesSeveral
  }

  /** Makes one attempt with one request. Never rejected.
   *  @param events one, or more if it takes several. A signature is that of the first one's id */
  async send(events: readonly RegistryEvent[], signal: AbortSignal): Promise<Delivery> {
    const { timeoutMs, encode, secrets, traceHeaders } = this.#settings
    try {
      const { headers, body } = encode(events)
      const keys = await secrets()
      const timestamp = Math.floor(Date.now() / 1000)
      const signatures =
        keys.length === 0 ? {} : signatureHeaders({ id: events[0]!.id, timestamp, body }, keys)
      const all = merged(
        { 'user-agent': 'entrepot', ...traceHeaders?.(), ...headers, ...signatures },
        this.#headers,
      )
      const request = { origin: this.#origin, path: this.#path, method: 'POST', headers: all, body }
      const status = await attempt(this.#dispatcher, request, { timeoutMs, signal })
      return { kind: status >= 200 && status < 300 ? 'delivered' : 'refused', status }
    } catch (error) {
      return { kind: 'error', reason: reasonOf(error) }
    }
  }

  async close(): Promise<void> {
    await this.#dispatcher.destroy()
  }
}

function dispatcherOf({ url, rootCertificates, privateNetworks, connections }: SenderSettings): Dispatcher {
  const tls = rootCertificates === undefined ? {} : { ca: [...rootCertificates] }
  const connect = isLiteral(url.hostname) ? tls : { ...tls, lookup: publicLookup(privateNetworks) }
  const options = { connections, pipelining: 1, connect }
  if (isLoopback(url.hostname)) return new Agent(options)
  return new EnvHttpProxyAgent({ ...options, requestTls: tls })
}

/** Which no proxy is asked for, as in Go. */
function isLoopback(host: string): boolean {
  return host === 'localhost' || host === '[::1]' || host.startsWith('127.')
}

/** Those of the configuration are added to those of the format; of the same name, as further values. */
function merged(
  own: Readonly<Record<string, string>>,
  configured: readonly [string, string][],
): Record<string, string | string[]> {
  const headers: Record<string, string | string[]> = { ...own }
  for (const [name, value] of configured) {
    const key = name.toLowerCase()
    const present = headers[key]
    if (present === undefined || key === 'user-agent' || key === 'content-type') headers[key] = value
    else headers[key] = [...(Array.isArray(present) ? present : [present]), value]
  }
  return headers
}

function basic({ username, password }: URL): string {
  const login = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`
  return `Basic ${Buffer.from(login).toString('base64')}`
}

/** A code, or the name of the error: messages may hold addresses and what stands in headers. */
function reasonOf(error: unknown): string {
  const { code, name, cause } = Object(error) as { code?: unknown; name?: string; cause?: unknown }
  if (name === 'TimeoutError') return 'TIMEOUT'
  if (typeof code === 'string') return code
  return cause === undefined ? (name ?? 'Error') : reasonOf(cause)
}
