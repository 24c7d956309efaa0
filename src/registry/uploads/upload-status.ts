import { isPathNotFound } from '../../core/errors.ts'
import type { FileVersion, StorageDriver } from '../../core/storage-driver.ts'
import type { UploadPaths } from '../paths.ts'
import { type KnownOwner, readOwner, readRecord, readStartedAt, type UploadRecord } from './upload-files.ts'

/** The status of an upload, read from storage or written by this process. */
export interface UploadStatus {
  readonly startedAt: Date
  readonly lastWrittenAt: Date
  /** Size of the bytes so far. */
  readonly size: number
  /** Version of the file of the bytes. Undefined if there is none, or if it is unknown because another
   *  process was writing it. */
  readonly version: FileVersion | undefined
  /** The record beside the bytes, whether or not it matches them. */
  readonly record: UploadRecord | undefined
  /** Undefined if it was not read. */
  readonly owner: KnownOwner | undefined
  /** True if this process started the upload and never re-read it: its folder has only the registry's own
   *  files then. */
  readonly isOwn: boolean
}

interface UploadQuery {
  readonly paths: UploadPaths
  readonly withOwner: boolean
  /** True if `lastWrittenAt` of an upload without bytes must be by the storage's clock, not by the process
   *  that started it. */
  readonly withAge?: boolean
}

/** Reads an upload's status from storage. Undefined if there is no such upload. */
export async function findUpload(
  storage: StorageDriver,
  { paths, withOwner, withAge = false }: UploadQuery,
): Promise<UploadStatus | undefined> {
  const [startedAt, data, record, owner, begun] = await Promise.all([
    readStartedAt(storage, paths),
    dataSoFar(storage, paths),
    readRecord(storage, paths),
    withOwner ? readOwner(storage, paths) : undefined,
    withAge ? fileAt(storage, paths.startedAt) : undefined,
  ])
  const first = startedAt ?? data?.modifiedAt
  if (first === undefined) return undefined
  const size = data?.size ?? 0
  return {
    startedAt: first,
    lastWrittenAt: data?.modifiedAt ?? begun?.modifiedAt ?? first,
    size,
    version: data !== undefined && record?.size === size ? record.version : undefined,
    record,
    owner,
    isOwn: false,
  }
}

/** The file of the bytes so far. Undefined if there is none. */
export function dataSoFar(storage: StorageDriver, paths: UploadPaths): Promise<FoundFile | undefined> {
  return fileAt(storage, paths.data)
}

interface FoundFile {
  readonly size: number
  readonly modifiedAt: Date
}

async function fileAt(storage: StorageDriver, path: string): Promise<FoundFile | undefined> {
  try {
    const info = await storage.stat(path)
    return info.kind === 'file' ? info : undefined
  } catch (error) {
    if (isPathNotFound(error)) return undefined
    throw error
  }
}
