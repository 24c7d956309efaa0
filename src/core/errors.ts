/** What can go wrong, in two vocabularies: `StorageError` is what a StorageDriver throws, `RegistryError` what the
 *  registry throws. `registry/` translates the first into the second, `http/reply/errors.ts` the second into an answer. */

/** The registry's errors. Most are the wire's own codes (OCI Distribution Specification 1.1, "Error Codes");
 *  the table in `http/reply/errors.ts` gives each its status and, where it differs, the code sent. */
export type ErrorCode =
  | 'BLOB_UNKNOWN'
  | 'BLOB_UPLOAD_INVALID'
  | 'BLOB_UPLOAD_UNKNOWN'
  | 'BLOB_TOO_LARGE'
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
  | 'TAG_INVALID'
  | 'TOOMANYREQUESTS'
  | 'UNAUTHORIZED'
  | 'UNAVAILABLE'
  | 'UNKNOWN'
  | 'UNSUPPORTED'

export interface RegistryErrorOptions {
  /** For a person; a default for the code stands in where it is absent. */
  message?: string
  /** For a program: plain JSON, nothing of the inside. */
  detail?: unknown
  cause?: unknown
  /** Further errors found in the same request, reported with this one. */
  others?: RegistryError[]
}

/** An error that the registry's caller is meant to see. */
export class RegistryError extends Error {
  override readonly name = 'RegistryError'
  readonly code: ErrorCode
  readonly detail: unknown
  readonly others: readonly RegistryError[]

  constructor(code: ErrorCode, { message = '', detail, cause, others = [] }: RegistryErrorOptions = {}) {
    super(message, { cause })
    this.code = code
    this.detail = detail
    this.others = others
  }
}

export type StorageErrorCode =
  /** Nothing stands at the path. */
  | 'PATH_NOT_FOUND'
  /** The path is not of the form `(/[A-Za-z0-9._-]+)+`, or is longer than the storage takes, or something is to be
   *  written where a folder stands or below a file. Whoever reads there is told PATH_NOT_FOUND. */
  | 'PATH_INVALID'
  /** A read begins past the end, an append does not begin where the file ends, or a move finds a file of another size. */
  | 'OFFSET_INVALID'
  /** The disk or the quota is full. Nothing partial is left. */
  | 'NO_SPACE'
  /** The process has no file handle left; a moment later it may. */
  | 'TOO_MANY_OPEN_FILES'
  /** The backend asks to be left alone for a while, or cannot be reached; a moment later it may. */
  | 'BUSY'
  /** The work was cancelled by its `AbortSignal`. */
  | 'ABORTED'
  /** The backend failed in any other way; the cause says how. */
  | 'BACKEND_FAILED'

/** The one type a StorageDriver throws. */
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

/** True for a StorageError that says nothing stands at the path. */
export function isPathNotFound(error: unknown): error is StorageError {
  return error instanceof StorageError && error.code === 'PATH_NOT_FOUND'
}
