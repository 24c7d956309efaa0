import { isPathNotFound } from '../../core/errors.ts'
import type { FileVersion, StorageDriver } from '../../core/storage-driver.ts'
import type { UploadPaths } from '../paths.ts'
import { type KnownOwner, readOwner, readRecord, readStartedAt, type UploadRecord } from './upload-files.ts'

/** What is known of an upload, from storage or because this process wrote it there. */
export interface UploadStatus {
  readonly startedAt: Date
  readonly lastWrittenAt: Date
  /** Of its bytes so far. */
  readonly size: number
  /** Of the file of its bytes. Undefined where there are none, or nobody vouches for them: a process that ended may have
   *  left them, or one may be writing. */
  readonly version: FileVersion | undefined
  /** Kept beside the bytes, whether or not they are there. */
  readonly record: UploadRecord | undefined
  /** Undefined where it was not looked at. */
  readonly owner: KnownOwner | undefined
  /** True where this process began it and never had to look it up: only the registry's own files are in its folder then. */
  readonly isOwn: boolean
}

interface UploadQuery {
  readonly paths: UploadPaths
  readonly withOwner: boolean
  /** Of an upload without bytes, `lastWrittenAt` is by the storage's clock too, not by that of the process that began it. */
  readonly withAge?: boolean
}

/** What storage says of an upload; undefined when there is none. */
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

/** The bytes so far; undefined where there is no file of them. */
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
