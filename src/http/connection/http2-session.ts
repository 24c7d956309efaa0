/** Sessions of HTTP/2: how long they may be silent, and that their connections end with them. */
import type { ServerHttp2Session } from 'node:http2'
import type { Server, Socket } from 'node:net'
import type { HttpLimits } from '../settings.ts'

/** How much a client may send ahead in all streams of a connection. */
const CONNECTION_WINDOW_BYTES = 8 * 1024 ** 2

/** Bounds how long a connection may be silent: before its first request, and between two. One on which something is still
 *  to be sent is left to that: streams that stall are ended one by one, and then it is silent. */
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

/** Serves a connection as Node's servers do by themselves, and sees that it ends with its session. From one to the other
 *  nothing leads but that the session is told of while the connection is handed over.
 *  @param serve hands the connection to `server`; it may turn out to speak HTTP/1.1 */
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

/** How long a client may keep its connection when its session was broken off. */
const BROKEN_OFF_MS = 2_000

/** Bounds how long a connection outlasts its session. Node waits until all that was written is taken and then, if the end
 *  was a gentle one, until the client hangs up too; and of a write to an encrypted connection that was reset meanwhile it may
 *  never be told that it failed. */
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

/** Keeps what is native of a session until the session is closed and done with. Node lets go of it earlier: when a session is
 *  destroyed while what it has received is read, and garbage is collected before the streams that were refused there are
 *  freed, it aborts the process (`current_nghttp2_memory_ == 0`). */
function keepHandle(session: ServerHttp2Session): void {
  const symbol = Object.getOwnPropertySymbols(session).find(({ description }) => description === 'kHandle')
  if (symbol === undefined) return
  const handle = (session as unknown as Record<symbol, unknown>)[symbol]
  session.once('close', () => setImmediate(() => setImmediate(() => void handle)))
}
