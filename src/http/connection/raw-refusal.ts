/** Error responses for connections without a request and response object. Each is written to the socket and
 *  closes it. */
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { jsonReply, type WholeReply } from '../reply/reply.ts'
import { refuseConnect } from '../request/method-not-allowed.ts'

/** Answers malformed HTTP/1.1, or a timeout. */
export function refuseMalformed(error: NodeJS.ErrnoException, socket: Socket): void {
  // Was answered before, and still sends.
  if (socket.writableEnded) return
  const isLost = error.code === 'ECONNRESET' || answerOn(socket)?.headersSent === true
  if (isLost) socket.destroy()
  else refuse(socket, malformedReply(error))
}

/** Answers `CONNECT` of HTTP/1.1, for which Node creates no response. RFC 9110 section 9.3.6.
 *  @param tunnel the connection, or its replacement while the request has an unread body */
export function refuseTunnel(request: IncomingMessage, tunnel: Duplex): void {
  const { socket } = request
  tunnel.on('error', () => socket.destroy())
  // An earlier request still waits for its response, and would get this one.
  if (answerOn(socket) !== undefined) socket.destroy()
  else refuse(socket, refuseConnect())
}

/** Answers plain HTTP on a TLS port. */
export function refusePlainHttp(socket: Socket): void {
  refuse(socket, wrongRequest(400, 'the client sent an HTTP request to an HTTPS server'))
}

function malformedReply({ code }: NodeJS.ErrnoException): WholeReply {
  switch (code) {
    case 'HPE_HEADER_OVERFLOW':
      return wrongRequest(431, 'the header is too large')
    case 'ERR_HTTP_REQUEST_TIMEOUT':
      return wrongRequest(408, 'the header took too long')
    default:
      return wrongRequest(400, 'the request is malformed')
  }
}

function wrongRequest(status: number, message: string): WholeReply {
  return jsonReply(status, { errors: [{ code: 'UNSUPPORTED', message }] })
}

/** The response under way on an HTTP/1.1 connection. Node checks the same property before it writes an error,
 *  which would become part of that response's body. */
function answerOn(socket: Socket & { _httpMessage?: ServerResponse | null }): ServerResponse | undefined {
  return socket._httpMessage ?? undefined
}

/** Time for which a client may keep its connection after an error response. */
const LAST_WORD_MS = 2_000

function refuse(socket: Socket, { status, headers, body = '' }: WholeReply): void {
  socket.on('error', () => socket.destroy())
  if (!socket.writable) {
    socket.destroy()
    return
  }
  const lines = Object.entries({ ...headers, connection: 'close' }).map(
    ([name, value]) => `${name}: ${value}`,
  )
  socket.end([`HTTP/1.1 ${status} ${STATUS_CODES[status]}`, ...lines, '', body].join('\r\n'))
  // Reads on, because closing a socket with unread data resets it and loses the response.
  socket.resume()
  const timer = setTimeout(() => socket.destroy(), LAST_WORD_MS)
  socket.once('close', () => clearTimeout(timer))
}
