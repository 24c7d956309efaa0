import { createSecureServer } from 'node:http2'
import { createServer } from 'node:https'
import type { SecureContext, Server, TLSSocket, TlsOptions } from 'node:tls'
import type { Log } from '../../core/log.ts'
import { LineBudget } from '../../lib/lines/line-budget.ts'
import { errorBoundary } from '../error-boundary.ts'
import type { HttpLimits } from '../settings.ts'
import { http2Options } from './http2.ts'
import { serveSession } from './http2-session.ts'
import { type ConnectionHandler, handlerOf } from './protocol-sniffer.ts'
import { refusePlainHttp } from './raw-refusal.ts'
import type { ClientCertificates, TlsSettings } from './tls-settings.ts'

/** The ALPN protocol of ACME challenges. RFC 8737. */
const ACME_PROTOCOL = 'acme-tls/1'

/** Creates an HTTPS server. A failed handshake ends its connection only. */
export function createTlsServer(
  tls: TlsSettings,
  { limits, http1, log }: { limits: HttpLimits; http1: object; log: Log },
): Server {
  const options = { ...tlsOptions(tls, limits), ...http1 }
  const server = tls.http2
    ? createSecureServer({ ...http2Options(limits), ...options, allowHTTP1: true })
    : createServer(options)
  const handshakes = new LineBudget({ burst: 20, perSecond: 1 })
  server.removeAllListeners('tlsClientError')
  server.on('tlsClientError', (error: Error, socket: TLSSocket) => {
    const omitted = handshakes.take()
    if (omitted !== undefined) {
      const fields = {
        remoteAddress: socket.remoteAddress,
        reason: error.message,
        omittedLines: omitted || undefined,
      }
      log.info(fields, 'a TLS handshake failed')
    }
    socket.destroy()
  })
  admit(server, { ...tls, limits, log })
  return server
}

function tlsOptions(tls: TlsSettings, limits: HttpLimits): TlsOptions {
  return {
    ...tls.secureContext,
    requestCert: tls.clientCertificates.isRequested,
    // `admit` rejects clients, because it can tell a missing certificate from an invalid one.
    rejectUnauthorized: false,
    handshakeTimeout: limits.headerTimeoutSeconds * 1000,
    ...protocolOptions(tls),
  }
}

/** Chooses certificate and protocol: RFC 6066 section 3, RFC 7301, and RFC 8737 for ACME challenges. Node
 *  calls both functions as methods of the connection, the certificate's last. */
function protocolOptions({ http2, contextOf, challengeOf }: TlsSettings): TlsOptions {
  const challenged = new WeakSet<TLSSocket>()
  const served = http2 ? ['h2', 'http/1.1'] : ['http/1.1']
  function chooseContext(this: unknown, name: string, done: (error: null, context?: SecureContext) => void) {
    done(null, challenged.has(this as TLSSocket) ? undefined : contextOf?.(name))
  }
  function chooseProtocol(this: unknown, offer: { servername: string; protocols: string[] }) {
    const { servername, protocols } = offer
    if (!protocols.includes(ACME_PROTOCOL)) return served.find((protocol) => protocols.includes(protocol))
    const challenge = challengeOf?.(servername)
    if (challenge === undefined) return undefined
    challenged.add(this as TLSSocket)
    ;(this as TLSSocket).setKeyCert(challenge)
    return ACME_PROTOCOL
  }
  return {
    ...(contextOf && { SNICallback: chooseContext }),
    ...(challengeOf && { ALPNCallback: chooseProtocol }),
  }
}

/** Rejects connections whose client certificate is invalid, or missing but required. */
function admit(
  server: Server,
  { clientCertificates, limits, log }: TlsSettings & { limits: HttpLimits; log: Log },
): void {
  const serve = server.listeners('secureConnection')[0] as (socket: TLSSocket) => void
  server.removeAllListeners('secureConnection')
  const admitOne = (socket: TLSSocket) => {
    if (socket.alpnProtocol === ACME_PROTOCOL) return socket.end()
    const objection = objectionTo(socket, clientCertificates)
    if (objection === undefined) {
      return serveSession(server, { socket, serve: () => serve.call(server, socket), limits })
    }
    log.info(
      { remoteAddress: socket.remoteAddress, reason: objection },
      'a client was rejected because of its certificate',
    )
    socket.destroy()
  }
  server.on(
    'secureConnection',
    errorBoundary(log)(admitOne, (socket) => socket.destroy()),
  )
}

function objectionTo(socket: TLSSocket, { isRequested, isRequired, isVerified }: ClientCertificates) {
  if (!isRequested) return undefined
  // Checked before `authorized`, which says nothing without a certificate.
  const isGiven = socket.getPeerX509Certificate() !== undefined
  if (!isGiven) return isRequired ? 'it sent none' : undefined
  return isVerified && !socket.authorized ? String(socket.authorizationError) : undefined
}

const TLS_HANDSHAKE = 22

/** Answers plain HTTP on a TLS port with an error. */
export function chooseTls(server: Server, log: Log): (bytes: Buffer) => ConnectionHandler {
  const serve = handlerOf(server, log)
  return ([first = 0]) => (first === TLS_HANDSHAKE || !isLetter(first) ? serve : refusePlainHttp)
}

function isLetter(byte: number): boolean {
  return /[A-Za-z]/.test(String.fromCharCode(byte))
}
