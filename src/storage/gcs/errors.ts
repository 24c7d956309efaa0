import { StorageError, type StorageErrorCode } from '../../core/errors.ts'

/** Maps errors of Cloud Storage and the network to StorageErrors. */

/** A call that failed after its retries, with the response's or the network's message. */
export class CallFailed extends Error {
  override readonly name = 'CallFailed'
  /** The HTTP status; undefined without a response. */
  readonly status: number | undefined
  /** The first of the reasons in the response, such as `rateLimitExceeded`. */
  readonly reason: string
  /** Number of attempts. If more than one, an earlier one may have succeeded without an answer. */
  attempts = 1

  constructor(message: string, { status, reason = '', cause }: CallFailedOptions = {}) {
    super(message, { cause })
    this.status = status
    this.reason = reason
  }

  static from(cause: unknown): CallFailed {
    if (cause instanceof CallFailed) return cause
    return new CallFailed(cause instanceof Error ? cause.message : String(cause), {
      status: statusOf(cause),
      cause,
    })
  }

  /** The code of the operating system or the network, such as `ECONNRESET`. */
  get errno(): string {
    const { cause } = this
    return cause instanceof Error && 'code' in cause ? String(cause.code) : ''
  }
}

interface CallFailedOptions {
  readonly status?: number | undefined
  readonly reason?: string
  readonly cause?: unknown
}

/** @see https://cloud.google.com/storage/docs/retry-strategy */
const BUSY_STATUSES = [408, 429, 502, 503, 504]
const BUSY_REASONS = ['rateLimitExceeded', 'userRateLimitExceeded', 'quotaExceeded', 'backendError']
const BUSY_ERRNOS = [
  'ECONNREFUSED',
  'ECONNRESET',
  'ECONNABORTED',
  'EPIPE',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'EHOSTDOWN',
  'ENETUNREACH',
  'ENETDOWN',
  'ENOTFOUND',
  'EAI_AGAIN',
]

/** The error for the driver's caller. `PATH_NOT_FOUND` is thrown by callers that know that the object is
 *  missing: a 404 that gets here may concern the bucket. */
export function toStorageError(cause: unknown, path: string): StorageError {
  if (cause instanceof StorageError) return cause
  const failure = CallFailed.from(cause)
  return new StorageError(codeOf(failure), { path, message: messageOf(failure, path), cause })
}

/** True if the condition of a call failed: another process, or an earlier attempt, has written. */
export function isConditionFailed(error: unknown): error is CallFailed {
  return error instanceof CallFailed && error.status === 412
}

/** True if a failed call may have succeeded all the same: its answer was lost, or it was rejected because an
 *  earlier attempt had changed what it needed. */
export function mayBeDone(error: unknown): boolean {
  if (!(error instanceof CallFailed)) return false
  const { status, attempts } = error
  if (status === undefined || [500, 502, 504].includes(status)) return true
  return attempts > 1 && [404, 412].includes(status)
}

export function isNotFound(error: unknown): error is CallFailed {
  return error instanceof CallFailed && error.status === 404
}

function codeOf({ status, reason, errno }: CallFailed): StorageErrorCode {
  if (status === undefined) return BUSY_ERRNOS.includes(errno) ? 'BUSY' : 'BACKEND_FAILED'
  const isBusy = BUSY_STATUSES.includes(status) || (status === 403 && BUSY_REASONS.includes(reason))
  return isBusy ? 'BUSY' : 'BACKEND_FAILED'
}

function messageOf({ status, message }: CallFailed, path: string): string {
  return status === undefined ? `${message}: ${path}` : `${status} ${message}: ${path}`
}

/** The status of an error of the SDK's authentication, if a server has answered. */
function statusOf(cause: unknown): number | undefined {
  const status: unknown = cause instanceof Error && 'status' in cause ? cause.status : undefined
  return typeof status === 'number' ? status : undefined
}
