import { channel } from 'node:diagnostics_channel'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Server, Socket } from 'node:net'
import type { Log } from '../../../core/log.ts'
import { errorBoundary } from '../../error-boundary.ts'
import { DirectExchange } from './direct-exchange.ts'

/** Bodies of at least so many bytes are worth it. */
const MIN_BODY_BYTES = 256 * 1024
/** Node waits a second longer than it says before it closes an idle connection. */
const PATIENCE_MS = 1_000

/** Node's own, on which others see requests begin. */
const requestStart = channel('http.server.request.start')

/** The used part of Node's parser of a connection. */
interface Parser {
  /** Called for each head. Its result 2 ends the parser's work on the connection, as for another protocol. */
  onIncoming?: (request: IncomingMessage, shouldKeepAlive: boolean) => number
}

type ParsedSocket = Socket & { parser?: Parser | null; _httpMessage?: ServerResponse | null }
type ParsedRequest = IncomingMessage & { upgrade?: boolean }

/** Node's handler of a connection that may speak HTTP/1.1. */
type Serve = (socket: Socket) => void

export interface DirectRequestsOptions {
  /** Time for which a connection may wait for a request; 0 for no limit. */
  readonly keepAliveMs: number
  readonly log: Log
}

/** Reads large bodies of HTTP/1.1 without TLS from their connections. Node's parser would copy each piece of a body into new memory and pass it
 *  on by itself.
 *
 *  After the head of such a request Node hands the connection over, as it does for other protocols, and gets it back with the next
 *  request. A version of Node whose parser has no `onIncoming` reads all bodies as ever. See
 *  docs/decisions/042-bodies-from-the-connection.md. */
export class DirectRequests {
  readonly #server: Server
  readonly #serve: Serve
  readonly #keepAliveMs: number
  /** What clients ask for whose requests are taken over. */
  readonly #keepAlive = new WeakMap<IncomingMessage, boolean>()
  /** Connections with a request, and those that wait for one. Node's server does not know them. */
  readonly #busy = new Set<Socket>()
  readonly #idle = new Set<Socket>()
  /** Connections that have been in one of the two. */
  readonly #watched = new WeakSet<Socket>()

  /** Takes the place of the server's handler of connections. */
  constructor(server: Server, { keepAliveMs, log }: DirectRequestsOptions) {
    const [serve] = server.listeners('connection') as Serve[]
    this.#server = server
    this.#serve = (socket) => serve?.call(server, socket)
    this.#keepAliveMs = keepAliveMs
    server.removeAllListeners('connection')
    server.on('connection', (socket: Socket) => this.#begin(socket))
    const onUpgrade = (request: IncomingMessage, socket: Socket, received: Buffer) =>
      this.#take(request, socket, received)
    server.on(
      'upgrade',
      errorBoundary(log)(onUpgrade, (_request, socket) => socket.destroy()),
    )
  }

  /** Closes connections that wait for a request. */
  closeIdle(): void {
    for (const socket of this.#idle) socket.destroy()
  }

  closeAll(): void {
    for (const socket of [...this.#idle, ...this.#busy]) socket.destroy()
  }

  #begin(socket: ParsedSocket): void {
    this.#serve(socket)
    const { parser } = socket
    const onIncoming = parser?.onIncoming
    if (!parser || onIncoming === undefined) return
    parser.onIncoming = (request: ParsedRequest, shouldKeepAlive) => {
      // No other protocol is served, although somebody listens; tunnels are refused by others.
      if (request.method !== 'CONNECT') request.upgrade = false
      if (socket._httpMessage || !isWorthwhile(request)) return onIncoming(request, shouldKeepAlive)
      this.#keepAlive.set(request, shouldKeepAlive)
      request.upgrade = true
      return 2
    }
  }

  #take(request: IncomingMessage, socket: Socket, received: Buffer): void {
    const shouldKeepAlive = this.#keepAlive.get(request)
    if (shouldKeepAlive === undefined) throw new Error('another protocol is not served')
    this.#hold(socket)
    const { response } = new DirectExchange(request, {
      socket,
      received,
      shouldKeepAlive,
      keepAliveMs: this.#keepAliveMs,
      onMalformed: (error) => this.#server.emit('clientError', error, socket),
      onEnd: ({ rest, isLast }) => {
        socket.setTimeout(0)
        if (isLast) socket.on('error', () => socket.destroy()).destroySoon()
        else if (rest.length > 0) this.#giveBack(socket, rest)
        else this.#wait(socket)
      },
    })
    requestStart.publish({ request, response, socket, server: this.#server })
    this.#server.emit('request', request, response)
  }

  #hold(socket: Socket): void {
    this.#busy.add(socket)
    if (this.#watched.has(socket)) return
    this.#watched.add(socket)
    socket.once('close', () => {
      this.#busy.delete(socket)
      this.#idle.delete(socket)
    })
  }

  /** Waits for the next request. Node would take the time before its first byte for a slow head. */
  #wait(socket: Socket): void {
    this.#busy.delete(socket)
    this.#idle.add(socket)
    const onGone = () => socket.destroy()
    const onReadable = () => {
      const received: Buffer | null = socket.read()
      if (received === null) return
      socket.removeListener('readable', onReadable)
      for (const event of ['error', 'end', 'timeout']) socket.removeListener(event, onGone)
      socket.setTimeout(0)
      this.#giveBack(socket, received)
    }
    for (const event of ['error', 'end', 'timeout']) socket.on(event, onGone)
    socket.on('readable', onReadable)
    if (this.#keepAliveMs > 0) socket.setTimeout(this.#keepAliveMs + PATIENCE_MS)
  }

  /** Lets Node serve the next request, which begins with what was received. */
  #giveBack(socket: Socket, received: Buffer): void {
    this.#idle.delete(socket)
    this.#busy.delete(socket)
    socket.unshift(received)
    this.#begin(socket)
    socket.resume()
  }
}

/** True for a large body, and for one of unknown size. A client that waits for `100 Continue` may have none. */
function isWorthwhile({ method, headers, httpVersion }: IncomingMessage): boolean {
  const { host, expect, upgrade } = headers
  if (method === 'CONNECT' || httpVersion !== '1.1' || host === undefined) return false
  if (expect !== undefined || upgrade !== undefined) return false
  const coding = headers['transfer-encoding']
  if (coding !== undefined) return coding.toLowerCase() === 'chunked'
  return Number(headers['content-length'] ?? 0) >= MIN_BODY_BYTES
}
