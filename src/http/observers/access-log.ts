import type { Log } from '../../core/log.ts'
import { printable } from '../../lib/printable.ts'
import { pathWithoutQuery, type RequestLifecycle } from '../request-lifecycle.ts'

/** A line for each request that has ended. */
export class AccessLog {
  readonly #log: Log

  constructor(log: Log) {
    this.#log = log
  }

  /** Asks what can't be asked at the end: a connection that is gone has no address. */
  begin(lifecycle: RequestLifecycle): void {
    lifecycle.startedAt = performance.now()
    lifecycle.remoteAddress = lifecycle.request.socket.remoteAddress
  }

  readonly end = (lifecycle: RequestLifecycle): void => {
    const { request, id, answer, status, isTaken, startedAt, remoteAddress } = lifecycle
    const userAgent = request.headers['user-agent']
    const fields = {
      requestId: id,
      remoteAddress,
      method: request.method,
      path: printable(pathWithoutQuery(request)),
      status,
      bytes: answer?.headers['content-length'],
      milliseconds: Math.round((performance.now() - startedAt) * 10) / 10,
      userAgent: userAgent && printable(userAgent),
    }
    this.#log.info(fields, isTaken ? 'response completed' : 'response broken off')
  }
}
