import { StorageError, type StorageErrorCode } from '../../core/errors.ts'

/** Maps errors of the operating system to StorageErrors. */

const ALWAYS: Record<string, StorageErrorCode> = {
  ENAMETOOLONG: 'PATH_INVALID',
  ENOSPC: 'NO_SPACE',
  EDQUOT: 'NO_SPACE',
  EMFILE: 'TOO_MANY_OPEN_FILES',
  ENFILE: 'TOO_MANY_OPEN_FILES',
  // A network file system whose server is away, or that was remounted.
  ESTALE: 'BUSY',
  ENOTCONN: 'BUSY',
  EHOSTDOWN: 'BUSY',
  EHOSTUNREACH: 'BUSY',
  ETIMEDOUT: 'BUSY',
  // File systems become read-only after errors, until they are repaired.
  EROFS: 'BUSY',
  // The thread that writes has ended; others write from now on.
  ESHUTDOWN: 'BUSY',
}

/** Codes of reads: a folder, or a path below a file, counts as missing, as in object stores. */
const READING: Record<string, StorageErrorCode> = {
  ...ALWAYS,
  ENOENT: 'PATH_NOT_FOUND',
  ENOTDIR: 'PATH_NOT_FOUND',
  EISDIR: 'PATH_NOT_FOUND',
}

const WRITING: Record<string, StorageErrorCode> = {
  ...ALWAYS,
  ENOTDIR: 'PATH_INVALID',
  EISDIR: 'PATH_INVALID',
}

export function readError(cause: unknown, path: string): StorageError {
  return translate(cause, { path, codes: READING })
}

export function writeError(cause: unknown, path: string): StorageError {
  return translate(cause, { path, codes: WRITING })
}

/** True if the operating system failed with one of these codes. */
export function isErrno(error: unknown, ...codes: string[]): boolean {
  return codes.includes(errnoOf(error))
}

function translate(
  cause: unknown,
  { path, codes }: { path: string; codes: Record<string, StorageErrorCode> },
): StorageError {
  if (cause instanceof StorageError) return cause
  return new StorageError(codes[errnoOf(cause)] ?? 'BACKEND_FAILED', { path, cause })
}

function errnoOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}
