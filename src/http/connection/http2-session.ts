/** HTTP/2 sessions: their idle timeouts, and the end of their connections. */
import type { ServerHttp2Session } from 'node:http2'
import type { Server, Socket } from 'node:net'
import type { HttpLimits } from '../settings.ts'

/** Flow-control window of a connection, for all its streams. */
const CONNECTION_WINDOW_BYTES = 8 * 1024 ** 2

/** Limits the silence of a connection, before its first request and between requests. While a response is
 *  being sent, the stall detection of its stream applies instead. */
export function limitSession(session: ServerHttp2Session, limits: HttpLimits): void {
  keepHandle(session)
  session.setLocalWindowSize(CONNECTION_WINDOW_BYTES)
  const silentMs = { first: limits.headerTimeoutSeconds * 1000, later: limits.keepAliveSeconds * 1000 }
  session.once('stream', () => session.setTimeout(silentMs.later))
  session.setTimeout(silentMs.first, () => {
    if (session.closed) session.destroy()
    else {
      session.close()
      session.setTimeout(silentMs.first)
    }
  })
}

/** Serves a connection and ends it with its session. Node links the two only by the `session` event during
 *  the handover.
 *  @param serve hands the connection to `server`; it may turn out to use HTTP/1.1 */
export function serveSession(
  server: Server,
  { socket, serve, limits }: { socket: Socket; serve: () => void; limits: HttpLimits },
): void {
  const onSession = (session: ServerHttp2Session) => endWithSession(session, { socket, limits })
  server.prependOnceListener('session', onSession)
  try {
    serve()
  } finally {
    server.removeListener('session', onSession)
  }
}

/** Time for which a client may keep its connection after its session was destroyed. */
const BROKEN_OFF_MS = 2_000

/** Ends a connection some time after its session. Node waits until all is sent and, after a graceful end,
 *  until the client closes; and it may never report the failure of a write to an encrypted connection that
 *  was reset. */
function endWithSession(
  session: ServerHttp2Session,
  { socket, limits }: { socket: Socket; limits: HttpLimits },
): void {
  const destroy = session.destroy
  session.destroy = (...reason) => {
    if (session.destroyed) return
    const patienceMs = session.closed ? limits.headerTimeoutSeconds * 1000 : BROKEN_OFF_MS
    const timer = setTimeout(() => socket.destroy(), patienceMs)
    socket.once('close', () => clearTimeout(timer))
    destroy.apply(session, reason)
  }
}

/** Keeps a session's native handle until the session is closed. Node releases it earlier: if a session is
 *  destroyed while its input is being read, and garbage is collected before its rejected streams are freed,
 *  Node aborts the process (`current_nghttp2_memory_ == 0`). */
function keepHandle(session: ServerHttp2Session): void {
  const symbol = Object.getOwnPropertySymbols(session).find(({ description }) => description === 'kHandle')
  if (symbol === undefined) return
  const handle = (session as unknown as Record<symbol, unknown>)[symbol]
  session.once('close', () => setImmediate(() => setImmediate(() => void handle)))
}
