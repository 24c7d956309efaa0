import type { Log } from '../../core/log.ts'
import { LineBudget } from '../../lib/lines/line-budget.ts'
import { printable } from '../../lib/printable.ts'
import { pathWithoutQuery, type RequestLifecycle } from '../request-lifecycle.ts'
import { failureFields } from './failure-fields.ts'

export interface AccessLogOptions {
  readonly log: Log
  /** False if only rejections and failures are logged. */
  readonly isEnabled: boolean
}

/** Logs each request when it has ended; if disabled, only rejections and failures, at a limited rate.
 *  Failures of the registry do not count against the limit of rejections, which clients cause. */
export class AccessLog {
  readonly isEnabled: boolean
  readonly #log: Log
  readonly #refusals = new LineBudget({ burst: 100, perSecond: 10 })
  readonly #failures = new LineBudget({ burst: 100, perSecond: 10 })

  constructor({ log, isEnabled }: AccessLogOptions) {
    this.#log = log
    this.isEnabled = isEnabled
  }

  /** Records the peer's address, which a closed connection no longer has. */
  begin(lifecycle: RequestLifecycle): void {
    lifecycle.startedAt = performance.now()
    lifecycle.remoteAddress = lifecycle.request.socket.remoteAddress
  }

  readonly end = (lifecycle: RequestLifecycle): void => {
    const { failure } = lifecycle
    const status = failure === undefined ? lifecycle.status : lifecycle.answer!.status
    if (this.isEnabled) {
      const level = failure === undefined || status < 500 ? 'info' : levelOf(failure.error.code)
      this.#log[level](fieldsOf(lifecycle), messageOf(lifecycle))
      return
    }
    if (failure === undefined) return
    const omitted = (status < 500 ? this.#refusals : this.#failures).take()
    if (omitted === undefined) return
    const level = status < 500 ? 'warn' : levelOf(failure.error.code)
    this.#log[level](
      { ...fieldsOf(lifecycle), omittedLines: omitted || undefined },
      status < 500 ? 'a request was refused' : 'a request could not be served',
    )
  }
}

/** Rejections are warnings, failures errors. */
function levelOf(code: string): 'warn' | 'error' {
  return code === 'UNKNOWN' ? 'error' : 'warn'
}

function messageOf({ isTaken, isCutOff }: RequestLifecycle): string {
  if (isTaken) return 'response completed'
  return isCutOff ? 'response aborted, because the registry stops' : 'response aborted'
}

/** Distribution's keys, in its order. */
function fieldsOf(lifecycle: RequestLifecycle): object {
  const { request, id, answer, failure, status, startedAt, remoteAddress } = lifecycle
  const { host, 'user-agent': userAgent } = request.headers
  return {
    ...(failure && failureFields(failure, lifecycle)),
    'http.request.host': host && printable(host),
    'http.request.id': id,
    'http.request.method': request.method,
    'http.request.remoteaddr': remoteAddress,
    'http.request.uri': printable(pathWithoutQuery(request)),
    'http.request.useragent': userAgent && printable(userAgent),
    'http.response.contenttype': answer?.headers['content-type'],
    'http.response.duration': startedAt === 0 ? undefined : durationOf(performance.now() - startedAt),
    'http.response.status': status,
    'http.response.written': writtenBytes(lifecycle),
  }
}

/** Formats a duration like Go, always in milliseconds. */
function durationOf(milliseconds: number): string {
  return `${Math.round(milliseconds * 1000) / 1000}ms`
}

/** Bytes of the body, if the client took all of it. */
function writtenBytes({ request, answer, isTaken }: RequestLifecycle): number | string | undefined {
  if (!isTaken) return undefined
  return request.method === 'HEAD' ? 0 : (answer?.headers['content-length'] as number | string | undefined)
}
