/** The one place where what S3 and its SDK say becomes a StorageError.
 *  https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html */

import { StorageError, type StorageErrorCode } from '../../core/errors.ts'

interface SdkError extends Error {
  readonly $metadata?: { readonly httpStatusCode?: number; readonly attempts?: number }
  readonly code?: unknown
}

/** Also those of stores that are not Amazon's. */
const BY_NAME: Record<string, StorageErrorCode> = {
  NoSuchKey: 'PATH_NOT_FOUND',
  NotFound: 'PATH_NOT_FOUND',
  KeyTooLongError: 'PATH_INVALID',
  KeyTooLong: 'PATH_INVALID',
  // Of a gateway to a file system, where a path is a file or a folder.
  ExistingObjectIsDirectory: 'PATH_INVALID',
  ObjectParentIsFile: 'PATH_INVALID',
  InvalidRange: 'OFFSET_INVALID',
  // Another object stands there than was meant.
  PreconditionFailed: 'OFFSET_INVALID',
  ConditionalRequestConflict: 'OFFSET_INVALID',
  // Its parts are not those that were sent, or it has come to its end.
  NoSuchUpload: 'OFFSET_INVALID',
  InvalidPart: 'OFFSET_INVALID',
  AbortError: 'ABORTED',
  QuotaExceeded: 'NO_SPACE',
  InsufficientCapacity: 'NO_SPACE',
  XMinioStorageFull: 'NO_SPACE',
  NoSuchBucket: 'BACKEND_FAILED',
}

const BY_STATUS: Record<number, StorageErrorCode> = {
  404: 'PATH_NOT_FOUND',
  412: 'OFFSET_INVALID',
  416: 'OFFSET_INVALID',
  429: 'BUSY',
  500: 'BUSY',
  502: 'BUSY',
  503: 'BUSY',
  504: 'BUSY',
  507: 'NO_SPACE',
}

/** The store did not answer, or there are no credentials that are good at the moment. */
const OUT_OF_REACH = new Set([
  'TimeoutError',
  'RequestTimeout',
  'SlowDown',
  'CredentialsProviderError',
  'ExpiredToken',
  'ExpiredTokenException',
  'RequestTimeTooSkewed',
])

export function storageError(cause: unknown, path: string): StorageError {
  if (cause instanceof StorageError) return cause
  const message = `${path}: ${describe(cause)}`
  return new StorageError(codeOf(cause), { path, message, cause })
}

function codeOf(cause: unknown): StorageErrorCode {
  if (cause instanceof StorageError) return cause.code
  if (!(cause instanceof Error)) return 'BACKEND_FAILED'
  const byName = BY_NAME[cause.name]
  if (byName !== undefined) return byName
  if (OUT_OF_REACH.has(cause.name)) return 'BUSY'
  const status = statusOf(cause)
  if (status === undefined) return isFromNetwork(cause) ? 'BUSY' : 'BACKEND_FAILED'
  return BY_STATUS[status] ?? 'BACKEND_FAILED'
}

/** What an administrator can act on: the store's own code and words. */
export function describe(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause)
  const status = statusOf(cause)
  return `${cause.name}${status === undefined ? '' : ` (${status})`}: ${cause.message}`
}

/** True when there is no such object, as far as the answer tells: that to a HEAD does not tell it from a missing bucket. */
export function isMissing(error: unknown): boolean {
  return codeOf(error) === 'PATH_NOT_FOUND'
}

/** True for an upload in parts that is no more, or was never there; some stores then miss its parts instead. */
export function isNoSuchUpload(error: unknown): boolean {
  return ['NoSuchUpload', 'InvalidPart'].includes(nameOf(error))
}

/** True when a condition of the request did not hold: 412, or 409 where another request to the same key was under way. */
export function isConditionFailed(error: unknown): boolean {
  return statusOf(error) === 412 || isConflict(error)
}

/** True where another request to the same key was under way: neither of them need have come through. */
export function isConflict(error: unknown): boolean {
  return statusOf(error) === 409 && nameOf(error) === 'ConditionalRequestConflict'
}

/** True when other bytes stand there than were meant. */
export function isOther(error: unknown): boolean {
  return codeOf(error) === 'OFFSET_INVALID'
}

/** True when a range was asked for that begins behind the end of what stands there. */
export function isRangeInvalid(error: unknown): boolean {
  return statusOf(error) === 416
}

/** True when the SDK has sent the request more than once: an attempt may have come through before the one that was answered. */
export function isRepeated(error: unknown): boolean {
  return error instanceof Error && ((error as SdkError).$metadata?.attempts ?? 1) > 1
}

/** True when the store may have done what it was asked for all the same. */
export function isUncertain(error: unknown): boolean {
  return codeOf(error) === 'BUSY'
}

/** True for a store that does not know what it was asked for. */
export function isNotImplemented(error: unknown): boolean {
  const status = statusOf(error)
  return nameOf(error) === 'NotImplemented' || status === 501 || status === 400 || status === 405
}

/** True where a gateway to a file system finds a folder at the key. */
export function isFolderInTheWay(error: unknown): boolean {
  return nameOf(error) === 'ExistingObjectIsDirectory'
}

/** True when an answer's body ended before its end. */
export function isCutShort(error: unknown): boolean {
  return error instanceof Error && statusOf(error) === undefined && isFromNetwork(error)
}

function isFromNetwork({ code, name, message }: SdkError): boolean {
  if (name === 'TimeoutError' || message === 'aborted') return true
  return typeof code === 'string' && /^(?:E[A-Z]+|UND_ERR_\w+|ERR_STREAM_PREMATURE_CLOSE)$/.test(code)
}

function nameOf(error: unknown): string {
  return error instanceof Error ? error.name : ''
}

function statusOf(error: unknown): number | undefined {
  return error instanceof Error ? (error as SdkError).$metadata?.httpStatusCode : undefined
}
