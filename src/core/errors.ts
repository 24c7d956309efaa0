/** The two error types: `StorageError` of storage drivers, `RegistryError` of the registry. `registry/`
 *  translates the first into the second, `http/reply/errors.ts` the second into a response. */

/** The registry's errors. Most are the wire's own codes (OCI Distribution Specification 1.1, "Error Codes");
 *  the table in `http/reply/errors.ts` gives each its status and, where it differs, the code sent. */
export type ErrorCode =
  | 'BLOB_UNKNOWN'
  | 'BLOB_UPLOAD_INVALID'
  | 'BLOB_UPLOAD_UNKNOWN'
  | 'BLOB_TOO_LARGE'
  | 'DELETION_UNKNOWN'
  | 'DENIED'
  | 'DIGEST_INVALID'
  | 'EXPECTATION_FAILED'
  | 'INSUFFICIENT_STORAGE'
  | 'MANIFEST_BLOB_UNKNOWN'
  | 'MANIFEST_INVALID'
  | 'MANIFEST_TOO_LARGE'
  | 'MANIFEST_UNKNOWN'
  | 'MANIFEST_UNVERIFIED'
  | 'NAME_INVALID'
  | 'NAME_UNKNOWN'
  | 'PAGINATION_NUMBER_INVALID'
  | 'PATH_UNKNOWN'
  | 'RANGE_INVALID'
  | 'REQUEST_INVALID'
  | 'SIZE_INVALID'
  | 'TAG_IMMUTABLE'
  | 'TAG_INVALID'
  | 'TOO_MANY_TAGS'
  | 'TOOMANYREQUESTS'
  | 'UNAUTHORIZED'
  | 'UNAVAILABLE'
  | 'UNKNOWN'
  | 'UNSUPPORTED'
  | 'UPSTREAM_FAILED'
  | 'UPSTREAM_TIMEOUT'

export interface RegistryErrorOptions {
  /** Text for people. Default: the text of the code. */
  message?: string
  /** Plain JSON for programs, without internals. */
  detail?: unknown
  cause?: unknown
  /** Further errors found in the same request, reported with this one. */
  others?: RegistryError[]
  /** Delay before a retry, in seconds. Default: at once, if the code is temporary. */
  retryAfterSeconds?: number | undefined
}

/** An error for the registry's caller to see. */
export class RegistryError extends Error {
  override readonly name = 'RegistryError'
  readonly code: ErrorCode
  readonly detail: unknown
  readonly others: readonly RegistryError[]
  readonly retryAfterSeconds: number | undefined

  constructor(code: ErrorCode, options: RegistryErrorOptions = {}) {
    const { message = '', detail, cause, others = [], retryAfterSeconds } = options
    super(message, { cause })
    this.retryAfterSeconds = retryAfterSeconds
    this.code = code
    this.detail = detail
    this.others = others
  }
}

/** True for a RegistryError with the code. */
export function isErrorOf(error: unknown, code: ErrorCode): error is RegistryError {
  return error instanceof RegistryError && error.code === code
}

export type StorageErrorCode =
  /** The path does not exist. */
  | 'PATH_NOT_FOUND'
  /** The path is malformed, too long for the storage, or can't be written because a folder is there or a file
   *  is above it. Reading such a path is PATH_NOT_FOUND. */
  | 'PATH_INVALID'
  /** A range is outside the file, or the file has another length or version than expected. */
  | 'OFFSET_INVALID'
  /** The disk or the quota is full. Nothing partial is left. */
  | 'NO_SPACE'
  /** No file handle is left. Temporary. */
  | 'TOO_MANY_OPEN_FILES'
  /** The backend throttles, or can't be reached. Temporary. */
  | 'BUSY'
  /** The fence is closed, or its time is over. */
  | 'FENCE_CLOSED'
  /** The storage never supports the operation; the message says what is missing. */
  | 'UNSUPPORTED'
  /** The work was cancelled by its `AbortSignal`. */
  | 'ABORTED'
  /** Any other failure of the backend; see the cause. */
  | 'BACKEND_FAILED'

/** The only error type of storage drivers. */
export class StorageError extends Error {
  override readonly name = 'StorageError'
  readonly code: StorageErrorCode
  readonly path: string

  constructor(
    code: StorageErrorCode,
    { path, message, cause }: { path: string; message?: string; cause?: unknown },
  ) {
    super(message ?? `${code}: ${path}`, { cause })
    this.code = code
    this.path = path
  }
}

/** True for a StorageError with the code PATH_NOT_FOUND. */
export function isPathNotFound(error: unknown): error is StorageError {
  return error instanceof StorageError && error.code === 'PATH_NOT_FOUND'
}
