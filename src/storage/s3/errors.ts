/** Maps errors of S3 and its SDK to StorageErrors.
 *  https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html */

import { StorageError, type StorageErrorCode } from '../../core/errors.ts'

interface SdkError extends Error {
  readonly $metadata?: { readonly httpStatusCode?: number; readonly attempts?: number }
  readonly code?: unknown
}

/** Includes codes of other stores. */
const BY_NAME: Record<string, StorageErrorCode> = {
  NoSuchKey: 'PATH_NOT_FOUND',
  NotFound: 'PATH_NOT_FOUND',
  KeyTooLongError: 'PATH_INVALID',
  KeyTooLong: 'PATH_INVALID',
  // Codes of gateways to file systems, where a key can be a file or a folder.
  ExistingObjectIsDirectory: 'PATH_INVALID',
  ObjectParentIsFile: 'PATH_INVALID',
  InvalidRange: 'OFFSET_INVALID',
  // The object is not the expected one.
  PreconditionFailed: 'OFFSET_INVALID',
  ConditionalRequestConflict: 'OFFSET_INVALID',
  // The parts are not the ones sent, or the upload is completed or aborted.
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

/** The store did not answer, or there are no valid credentials at the moment. */
const OUT_OF_REACH = new Set([
  'TimeoutError',
  'RequestTimeout',
  'SlowDown',
  'CredentialsProviderError',
  'ExpiredToken',
  'ExpiredTokenException',
  'RequestTimeTooSkewed',
])

/** Attempts at what the SDK does not try again: reading an object whose body ended early, writing one while a gateway to a file system
 *  removes a folder, and moving one that another process replaces. */
export const MAX_ATTEMPTS = 3

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

/** The store's code and message, for operators. */
export function describe(cause: unknown): string {
  if (!(cause instanceof Error)) return String(cause)
  const status = statusOf(cause)
  return `${cause.name}${status === undefined ? '' : ` (${status})`}: ${cause.message}`
}

/** True if the object does not exist. An answer to HEAD may also mean a missing bucket. */
export function isMissing(error: unknown): boolean {
  return codeOf(error) === 'PATH_NOT_FOUND'
}

/** True for a multipart upload that does not exist; some stores report missing parts instead. */
export function isNoSuchUpload(error: unknown): boolean {
  return ['NoSuchUpload', 'InvalidPart'].includes(nameOf(error))
}

/** True if a condition failed: 412, or 409 if another request to the key was running. */
export function isConditionFailed(error: unknown): boolean {
  return statusOf(error) === 412 || isConflict(error)
}

/** True if another request to the key was running; possibly neither has succeeded. */
export function isConflict(error: unknown): boolean {
  return statusOf(error) === 409 && nameOf(error) === 'ConditionalRequestConflict'
}

/** True if the bytes are not the expected ones. */
export function isOther(error: unknown): boolean {
  return codeOf(error) === 'OFFSET_INVALID'
}

/** True if the requested range begins after the end of the object. */
export function isRangeInvalid(error: unknown): boolean {
  return statusOf(error) === 416
}

/** True if the SDK has sent the request more than once: an earlier attempt may have succeeded. */
export function isRepeated(error: unknown): boolean {
  return error instanceof Error && ((error as SdkError).$metadata?.attempts ?? 1) > 1
}

/** True if the request may have been carried out all the same. */
export function isUncertain(error: unknown): boolean {
  return codeOf(error) === 'BUSY'
}

/** True if the store does not support the request. */
export function isNotImplemented(error: unknown): boolean {
  const status = statusOf(error)
  return nameOf(error) === 'NotImplemented' || status === 501 || status === 400 || status === 405
}

/** True if a gateway to a file system has a folder at the key. */
export function isFolderInTheWay(error: unknown): boolean {
  return nameOf(error) === 'ExistingObjectIsDirectory'
}

/** True if a response's body ended early. */
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
