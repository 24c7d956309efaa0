import { StorageError, type StorageErrorCode } from '../../core/errors.ts'

/** The one place where what the operating system says becomes a StorageError. */

const ALWAYS: Record<string, StorageErrorCode> = {
  ENAMETOOLONG: 'PATH_INVALID',
  ENOSPC: 'NO_SPACE',
  EDQUOT: 'NO_SPACE',
  EMFILE: 'TOO_MANY_OPEN_FILES',
  ENFILE: 'TOO_MANY_OPEN_FILES',
  // A file system on the network whose server is away, or that was mounted anew.
  ESTALE: 'BUSY',
  ENOTCONN: 'BUSY',
  EHOSTDOWN: 'BUSY',
  EHOSTUNREACH: 'BUSY',
  ETIMEDOUT: 'BUSY',
  // As a file system becomes after errors, until somebody repairs it.
  EROFS: 'BUSY',
}

/** Whoever reads sees nothing where a folder stands, or below a file: so it is with object stores too. */
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

/** True when the operating system failed with one of these codes. */
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
