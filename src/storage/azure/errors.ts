import { RestError } from '@azure/storage-blob'
import { StorageError, type StorageErrorCode } from '../../core/errors.ts'

/** Maps errors of the service and the network to StorageErrors. The service's codes are in "Common REST API
 *  error codes" and "Blob Storage error codes". */

/** Any other 404 concerns the container or the account: an outage, not a missing file. */
const BY_SERVICE_CODE: Readonly<Record<string, StorageErrorCode>> = {
  BlobNotFound: 'PATH_NOT_FOUND',
  InvalidRange: 'OFFSET_INVALID',
  OperationTimedOut: 'BUSY',
  PendingCopyOperation: 'BUSY',
  ServerBusy: 'BUSY',
}

/** Statuses of the service, or of a proxy that can't reach it. */
const BUSY_STATUSES = [408, 429, 502, 503, 504]

/** The service was not reached, or did not answer. */
const UNREACHABLE = [
  'EAI_AGAIN',
  'ECONNABORTED',
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'ENOTFOUND',
  'EPIPE',
  'ERR_STREAM_PREMATURE_CLOSE',
  'ETIMEDOUT',
  'REQUEST_SEND_ERROR',
]

const TOKEN_ERRORS = [
  'AggregateAuthenticationError',
  'AuthenticationError',
  'AuthenticationRequiredError',
  'CredentialUnavailableError',
]

export function azureError(cause: unknown, path: string): StorageError {
  if (cause instanceof StorageError) return cause
  const code = codeOf(cause)
  const message = code === 'PATH_NOT_FOUND' ? undefined : `${code}: ${path}: ${reasonOf(cause)}`
  return new StorageError(code, { path, ...(message === undefined ? {} : { message }), cause })
}

/** The message of the service or the system, on one line and without secrets. */
export function reasonOf(cause: unknown): string {
  const code = serviceCodeOf(cause)
  const said = REASONS[code]
  if (said !== undefined) return said
  const lines = (cause instanceof Error ? cause.message : String(cause)).trim().split('\n')
  if (isAboutTokens(cause)) return `Microsoft Entra ID gives no token: ${lines.join('; ')}`
  const [line = ''] = lines
  const status = cause instanceof RestError && cause.statusCode !== undefined ? cause.statusCode : undefined
  return [status, code, line].filter(Boolean).join(' ')
}

const REASONS: Readonly<Record<string, string>> = {
  ContainerNotFound: 'there is no such container',
  ContainerBeingDeleted: 'the container is being deleted',
  AccountIsDisabled: 'the account is disabled',
  AuthenticationFailed: 'the service does not accept the account key or the credentials',
  AuthorizationFailure: 'the account does not admit these credentials, or requests from this network',
  AuthorizationPermissionMismatch:
    'the credentials lack a role for the data, such as Storage Blob Data Contributor',
  KeyBasedAuthenticationNotPermitted: 'the account does not accept account keys',
  BlockCountExceedsLimit: 'the file has the maximum number of blocks',
}

/** True if the service answered with one of these codes. */
export function isRefusal(error: unknown, ...codes: string[]): boolean {
  return codes.includes(serviceCodeOf(error))
}

/** True if a condition failed. The request was not carried out, or not by this attempt. */
export function isConditionNotMet(error: unknown): boolean {
  return error instanceof RestError && error.statusCode === 412
}

/** True if it is unknown whether the request was carried out, or it can be retried. */
export function isUncertain(error: unknown): boolean {
  if (!(error instanceof RestError)) return false
  return error.statusCode === undefined || error.statusCode >= 500 || [408, 429].includes(error.statusCode)
}

function codeOf(cause: unknown): StorageErrorCode {
  const status = statusOf(cause)
  const known = BY_SERVICE_CODE[serviceCodeOf(cause)]
  if (known !== undefined) return known
  if (isSourceMissing(cause)) return 'PATH_NOT_FOUND'
  if (isConditionNotMet(cause)) return 'OFFSET_INVALID'
  if (status === undefined) return isUnreachable(cause) ? 'BUSY' : 'BACKEND_FAILED'
  return BUSY_STATUSES.includes(status) ? 'BUSY' : 'BACKEND_FAILED'
}

/** True if the source of a copy is missing. If the container were missing, the error would concern the
 *  target. */
function isSourceMissing(cause: unknown): boolean {
  return statusOf(cause) === 404 && serviceCodeOf(cause) === 'CannotVerifyCopySource'
}

/** The status of an error. The identity library has a class of its own, with the same property. */
function statusOf(cause: unknown): number | undefined {
  return cause instanceof Error && 'statusCode' in cause && typeof cause.statusCode === 'number'
    ? cause.statusCode
    : undefined
}

/** True for errors of the identity library, which is not loaded with account keys. */
function isAboutTokens(cause: unknown): boolean {
  return cause instanceof Error && TOKEN_ERRORS.includes(cause.name)
}

function isUnreachable(cause: unknown): boolean {
  if (isAboutTokens(cause)) return /\bnetwork_error\b/.test((cause as Error).message)
  return cause instanceof Error && 'code' in cause && UNREACHABLE.includes(String(cause.code))
}

/** The code in the header `x-ms-error-code`, or in the body. Empty if there is none. */
function serviceCodeOf(cause: unknown): string {
  if (!(cause instanceof RestError) || cause.statusCode === undefined) return ''
  const details = cause.details as { errorCode?: unknown } | undefined
  return String(details?.errorCode ?? cause.code ?? '')
}
