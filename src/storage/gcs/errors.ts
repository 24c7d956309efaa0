import { StorageError, type StorageErrorCode } from '../../core/errors.ts'

/** The one place where what Cloud Storage says, and what the network does, becomes a StorageError. */

/** A call that failed in the end: what was answered, or the network's own words. */
export class CallFailed extends Error {
  override readonly name = 'CallFailed'
  /** The HTTP status; absent where there was no answer. */
  readonly status: number | undefined
  /** The first of the reasons in the answer, such as `rateLimitExceeded`. */
  readonly reason: string
  /** How often it was tried. After the first time an earlier one may have been done though nobody heard of it. */
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

  /** The operating system's or the network's code, such as `ECONNRESET`. */
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

/** What the driver's caller is told. Whoever has made sure that it is the object that is missing says `PATH_NOT_FOUND`
 *  itself: a 404 that gets here may be the bucket's. */
export function toStorageError(cause: unknown, path: string): StorageError {
  if (cause instanceof StorageError) return cause
  const failure = CallFailed.from(cause)
  return new StorageError(codeOf(failure), { path, message: messageOf(failure, path), cause })
}

/** True where the condition of a call did not hold: somebody else has written meanwhile, or an earlier attempt has. */
export function isConditionFailed(error: unknown): error is CallFailed {
  return error instanceof CallFailed && error.status === 412
}

/** True where a call failed and may have been done all the same: its answer was lost, or it was refused because an
 *  earlier attempt had been done, after which what it needed may be gone. */
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

/** Of an error of the SDK's authentication, which has one where a server has answered it. */
function statusOf(cause: unknown): number | undefined {
  const status: unknown = cause instanceof Error && 'status' in cause ? cause.status : undefined
  return typeof status === 'number' ? status : undefined
}
