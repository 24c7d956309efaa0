import { createServer, type Server as HttpServer, type IncomingMessage, type ServerResponse } from 'node:http'
import {
  constants,
  createServer as createHttp2Server,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from 'node:http2'
import type { AddressInfo, ListenOptions, Server, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { SecureContextOptions, Server as TlsServer } from 'node:tls'
import type { Log } from '../../core/log.ts'
import { errorBoundary } from '../error-boundary.ts'
import type { HttpLimits } from '../settings.ts'
import { DirectRequests } from './direct/direct-requests.ts'
import { ClearHttp2Response, Http2Request, http2Options } from './http2.ts'
import { limitSession, serveSession } from './http2-session.ts'
import { handlerOf, ProtocolSniffer } from './protocol-sniffer.ts'
import { refuseMalformed, refuseTunnel } from './raw-refusal.ts'
import { chooseTls, createTlsServer } from './tls.ts'
import type { TlsSettings } from './tls-settings.ts'

export interface ListenerOptions {
  readonly limits: HttpLimits
  readonly tls: TlsSettings | undefined
  /** HTTP/2 without TLS, by prior knowledge. RFC 9113 section 3.3. */
  readonly h2c: boolean
  readonly log: Log
  /** HTTP/2 requests behave like those of HTTP/1.1. */
  readonly onRequest: (request: IncomingMessage, response: ServerResponse) => void
}

/** Accepts connections, with or without TLS, and turns them into requests. */
export class Listener {
  readonly #log: Log
  readonly #server: Server
  readonly #direct: DirectRequests | undefined
  readonly #firstBytes: ProtocolSniffer | undefined
  /** Serves connections accepted by another server. */
  readonly #clearHttp2: Server | undefined
  readonly #cutOff: () => void

  constructor(options: ListenerOptions) {
    const { limits, tls, h2c, log } = options
    this.#log = log
    const timeoutMs = limits.headerTimeoutSeconds * 1000
    if (tls !== undefined) {
      const server = createTlsServer(tls, { ...options, http1: http1Options(limits) })
      this.#server = attach(server, options)
      const firstBytes = new ProtocolSniffer(server, { timeoutMs, choose: chooseTls(server, log) })
      this.#firstBytes = firstBytes
      this.#cutOff = () => firstBytes.endAll()
      return
    }
    const server = createServer(http1Options(limits))
    const direct = new DirectRequests(server, { keepAliveMs: limits.keepAliveSeconds * 1000, log })
    this.#direct = direct
    this.#server = attach(server, options)
    this.#cutOff = () => {
      server.closeAllConnections()
      direct.closeAll()
    }
    if (!h2c) return
    const http2 = createHttp2Server({
      ...http2Options(limits),
      Http2ServerResponse: ClearHttp2Response as never,
    })
    this.#clearHttp2 = attach(http2, options)
    const firstBytes = new ProtocolSniffer(server, { timeoutMs, choose: chooseClear(server, http2, options) })
    this.#firstBytes = firstBytes
    this.#cutOff = () => firstBytes.endAll()
  }

  /** Starts to accept connections; resolves to the address. */
  async listen(options: ListenOptions): Promise<AddressInfo | string> {
    await new Promise<void>((resolve, reject) => {
      this.#server.once('error', reject)
      this.#server.listen(options, () => {
        this.#server.removeListener('error', reject)
        // Failed accepts do not affect open connections.
        this.#server.on('error', (error) => this.#log.error({ err: error }, 'a connection was not accepted'))
        resolve()
      })
    })
    return this.#server.address() as AddressInfo | string
  }

  /** Replaces the certificates for new connections. */
  setSecureContext(context: SecureContextOptions): void {
    const server = this.#server as Partial<TlsServer>
    server.setSecureContext?.(context)
  }

  /** Stops accepting; resolves once the last connection has closed. */
  close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()))
    this.#firstBytes?.endSilent()
    this.#clearHttp2?.close()
    this.#direct?.closeIdle()
    return closed
  }

  /** Closes idle HTTP/1.1 connections, and sends GOAWAY on those of HTTP/2. */
  closeIdleConnections(): void {
    const server = this.#server as Partial<HttpServer>
    server.closeIdleConnections?.()
    this.#direct?.closeIdle()
  }

  /** Closes the remaining connections. */
  cutOff(): void {
    this.#cutOff()
  }
}

function http1Options(limits: HttpLimits) {
  return {
    headersTimeout: limits.headerTimeoutSeconds * 1000,
    requestTimeout: 0,
    keepAliveTimeout: limits.keepAliveSeconds * 1000,
    maxHeaderSize: limits.maxHeaderBytes,
    connectionsCheckingInterval: Math.min(1000, (limits.headerTimeoutSeconds * 1000) / 4),
  }
}

/** Listens to every event of a server. Without a listener Node answers by itself or ends the process, and it
 *  does not catch a listener's exceptions. */
function attach<S extends Server>(server: S, { onRequest, limits, log }: ListenerOptions): S {
  const bounded = errorBoundary(log)
  const serve = bounded(onRequest, (_request, response) => response.destroy())
  // Expectations are checked with all other headers. RFC 9110 section 10.1.1.
  for (const event of ['request', 'checkContinue', 'checkExpectation']) server.on(event, serve)
  server.on(
    'connect',
    bounded(connectListener(onRequest), (request) => request.socket.destroy()),
  )
  server.on(
    'clientError',
    bounded(refuseMalformed, (_error, socket) => socket.destroy()),
  )
  server.on(
    'session',
    bounded(
      (session: ServerHttp2Session) => limitSession(session, limits),
      (session) => session.destroy(),
    ),
  )
  boundStreams(server, bounded)
  return server
}

/** Handles CONNECT: a normal request in HTTP/2, one with a raw connection instead of a response in
 *  HTTP/1.1. */
function connectListener(onRequest: ListenerOptions['onRequest']) {
  return (request: IncomingMessage, responseOrTunnel: ServerResponse | Duplex) => {
    // By class, because the stated version may be any.
    if (request instanceof Http2Request) onRequest(request, responseOrTunnel as ServerResponse)
    else refuseTunnel(request, responseOrTunnel as Duplex)
  }
}

/** Puts Node's own stream listener, which creates the requests, inside an error boundary. */
function boundStreams(server: Server, bounded: ReturnType<typeof errorBoundary>): void {
  const listeners = server.listeners('stream') as ((stream: ServerHttp2Stream) => void)[]
  server.removeAllListeners('stream')
  for (const listener of listeners) {
    server.on(
      'stream',
      bounded(listener, (stream) => stream.close(constants.NGHTTP2_INTERNAL_ERROR)),
    )
  }
}

const HTTP2_PREFACE = 'PRI'

/** Chooses the protocol without TLS. RFC 9113 section 3.4. No served method of HTTP/1.1 begins like HTTP/2's
 *  preface. */
function chooseClear(http1: HttpServer, http2: Server, { limits, log }: ListenerOptions) {
  const serveHttp1 = handlerOf(http1, log)
  const serve = handlerOf(http2, log)
  const serveHttp2 = (socket: Socket) => {
    // HTTP/1.1 servers leave connections half-open after the client's FIN.
    socket.allowHalfOpen = false
    serveSession(http2, { socket, serve: () => serve(socket), limits })
  }
  return (bytes: Buffer) => {
    const begin = bytes.toString('latin1', 0, HTTP2_PREFACE.length)
    if (begin === HTTP2_PREFACE) return serveHttp2
    return HTTP2_PREFACE.startsWith(begin) ? undefined : serveHttp1
  }
}
