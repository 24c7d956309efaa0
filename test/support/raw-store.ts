/** Stores that send raw bytes, with and without TLS, and the client that reads from them. */
import { once } from 'node:events'
import type { RequestListener } from 'node:http'
import { createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer } from 'node:tls'
import { afterEach } from 'vitest'
import { DirectHttpHandler } from '../../src/storage/s3/direct-http/handler.ts'
import type { SignedRequest } from '../../src/storage/s3/direct-http/request-head.ts'
import { type AnsweringServer, startAnswering } from './answering-server.ts'
import { Authority, type KeyPair } from './authority.ts'

export const SCHEMES = ['http:', 'https:'] as const
export type Scheme = (typeof SCHEMES)[number]

/** Answers a request: the `count`th of the store, on its `connection`th connection. */
export type RawAnswer = (socket: Socket, asked: { count: number; connection: number }) => void

/** Ways to end a connection: with a notice where there is TLS, without one, and by a reset. */
export type Ending = 'end' | 'cut' | 'reset'

export class RawStore {
  /** Heads of requests, as received. */
  readonly requests: string[] = []
  readonly sockets: Socket[] = []
  /** The sockets under those of TLS, by the client's port; otherwise the same ones. */
  readonly #transports = new Map<number | undefined, Socket>()
  readonly #server: Server

  constructor(answer: RawAnswer, keyPair?: KeyPair) {
    const accept = (socket: Socket) => {
      const connection = this.sockets.push(socket)
      socket.on('error', () => {})
      socket.on('data', (head) => {
        answer(socket, { count: this.requests.push(String(head)), connection })
      })
    }
    this.#server = keyPair
      ? createTlsServer({ ...keyPair, noDelay: true, ALPNProtocols: ['h2', 'http/1.1'] }, accept)
      : createServer({ noDelay: true }, accept)
    this.#server.on('connection', (socket: Socket) => {
      socket.on('error', () => {})
      this.#transports.set(socket.remotePort, socket)
    })
  }

  get port(): number {
    return (this.#server.address() as { port: number }).port
  }

  /** Number of connections, including those that TLS refused. */
  get connectionCount(): number {
    return this.#transports.size
  }

  async listen(host = '127.0.0.1'): Promise<number> {
    this.#server.listen(0, host)
    await once(this.#server, 'listening')
    return this.port
  }

  finish(socket: Socket, how: Ending): void {
    const transport = this.#transports.get(socket.remotePort)
    if (how === 'end') socket.end()
    else if (how === 'cut') transport?.end()
    else transport?.resetAndDestroy()
  }

  close(): void {
    this.#server.close()
    for (const socket of [...this.sockets, ...this.#transports.values()]) socket.destroy()
  }
}

export interface ClientOptions {
  readonly timeoutMs?: number
  readonly connectionTimeoutMs?: number
  readonly maxConnections?: number
  readonly hostname?: string
  /** Default: false. */
  readonly rejectUnauthorized?: boolean
}

export interface GetOptions {
  readonly abortSignal?: AbortSignal
  readonly chunksAreLent?: boolean
  /** Changes to the request. */
  readonly changed?: Partial<SignedRequest>
}

/** Stores and clients of one scheme, which end with each test. */
export function rawStores(scheme: Scheme) {
  const handlers: DirectHttpHandler[] = []
  const stores: RawStore[] = []
  afterEach(() => {
    for (const handler of handlers.splice(0)) handler.destroy()
    for (const store of stores.splice(0)) store.close()
  })

  /** @param keyPair with TLS; by default one that nobody vouches for */
  async function createStore(answer: RawAnswer, keyPair?: KeyPair): Promise<RawStore> {
    const store = new RawStore(answer, keyPair ?? (await standardKeyPair(scheme)))
    stores.push(store)
    return store
  }

  function clientOf(port: number, { hostname = '127.0.0.1', ...options }: ClientOptions = {}) {
    const defaults = {
      timeoutMs: 5_000,
      connectionTimeoutMs: 5_000,
      maxConnections: 8,
      rejectUnauthorized: false,
    }
    const handler = new DirectHttpHandler({ ...defaults, ...options })
    handlers.push(handler)
    const get = async ({ changed, ...options }: GetOptions = {}) => {
      const request: Omit<SignedRequest, 'clone'> = {
        protocol: scheme,
        method: 'GET',
        hostname,
        port,
        path: '/bucket/a%20b',
        query: { 'x-id': 'GetObject', 'a b': "it's" },
        headers: { host: 'store', authorization: 'signed' },
        ...changed,
      }
      const asked = handler.handle(request as SignedRequest, { chunksAreLent: true, ...options })
      return (await asked).response
    }
    return { handler, get }
  }

  async function start(answer: RawAnswer, options: ClientOptions = {}) {
    const store = await createStore(answer)
    return { store, ...clientOf(await store.listen(), options) }
  }

  /** A real server, which the caller stops. */
  async function startServer(answer: RequestListener): Promise<AnsweringServer> {
    return startAnswering(answer, await standardKeyPair(scheme))
  }

  return { createStore, clientOf, start, startServer }
}

/** The head of an answer. */
export function head(length: number, ...fields: string[]): string {
  return ['HTTP/1.1 200 OK', `Content-Length: ${length}`, ...fields, '', ''].join('\r\n')
}

/** Resolves once the connection is closed. */
export async function closed(socket: Socket | undefined): Promise<void> {
  if (socket?.closed === false) await new Promise((resolve) => socket.once('close', resolve))
}

/** Resolves once the connection is quiet. */
export async function settled(socket: Socket | undefined): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  let last = -1
  const timer = setInterval(() => {
    const pending = socket?.writableLength ?? 0
    if (last === pending) resolve()
    last = pending
  }, 10)
  await promise
  clearInterval(timer)
}

let made: Promise<KeyPair> | undefined

async function standardKeyPair(scheme: Scheme): Promise<KeyPair | undefined> {
  if (scheme === 'http:') return undefined
  made ??= Authority.create('nobody').then((authority) => authority.issue('store'))
  return made
}
