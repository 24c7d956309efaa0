/** Refusals of what never became a request with a response. Each is written to its connection by hand, and ends it. */
import { type IncomingMessage, type ServerResponse, STATUS_CODES } from 'node:http'
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { jsonReply, type WholeReply } from '../reply/reply.ts'
import { refuseConnect } from '../request/method-not-allowed.ts'

/** What came is no HTTP/1.1, or did not come in time. */
export function refuseMalformed(error: NodeJS.ErrnoException, socket: Socket): void {
  // Refused before, and goes on sending.
  if (socket.writableEnded) return
  const isLost = error.code === 'ECONNRESET' || answerOn(socket)?.headersSent === true
  if (isLost) socket.destroy()
  else refuse(socket, malformedReply(error))
}

/** `CONNECT` of HTTP/1.1, for which Node makes no response. RFC 9110 section 9.3.6.
 *  @param tunnel the connection, or what stands for it as long as the request has a body to come */
export function refuseTunnel(request: IncomingMessage, tunnel: Duplex): void {
  const { socket } = request
  tunnel.on('error', () => socket.destroy())
  // Of a request before it that is not answered yet, this would be taken for the answer.
  if (answerOn(socket) !== undefined) socket.destroy()
  else refuse(socket, refuseConnect())
}

/** Who has been told `http://` in place of `https://` is told so. */
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

/** The response that is under way on a connection of HTTP/1.1. Node decides by this property too whether it may still
 *  write an error: what is written into the body of an answer would be taken for a part of it. */
function answerOn(socket: Socket & { _httpMessage?: ServerResponse | null }): ServerResponse | undefined {
  return socket._httpMessage ?? undefined
}

/** How long a client that was refused may keep its connection. */
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
  // What still comes is not wanted, but a connection that ends before it was taken is reset, and the answer lost.
  socket.resume()
  const timer = setTimeout(() => socket.destroy(), LAST_WORD_MS)
  socket.once('close', () => clearTimeout(timer))
}
