import { isPathNotFound } from '../core/errors.ts'
import type { FileVersion, StorageDriver } from '../core/storage-driver.ts'
import { type KeptDigests, keptDigests } from './kept-digests.ts'
import type { UploadPaths } from './paths.ts'
import { type KnownOwner, readOwner } from './upload-owner.ts'

/** What is known of an upload, from storage or because this process wrote it there. */
export interface UploadFacts {
  readonly startedAt: Date
  readonly lastWrittenAt: Date
  /** Of its bytes so far. */
  readonly size: number
  /** Of the file of its bytes. Undefined where there are none, or nobody vouches for them: a process that ended may have
   *  left them, or one may be writing. */
  readonly version: FileVersion | undefined
  /** What is kept beside the bytes, whether or not they are there. */
  readonly kept: KeptDigests | undefined
  /** Undefined where it was not looked at. */
  readonly owner: KnownOwner | undefined
  /** True where this process began it and never had to look it up: only the registry's own files are in its folder then. */
  readonly isOwn: boolean
}

/** What storage says of an upload; undefined when there is none. */
export async function findUpload(
  storage: StorageDriver,
  { paths, withOwner }: { paths: UploadPaths; withOwner: boolean },
): Promise<UploadFacts | undefined> {
  const [startedAt, data, kept, owner] = await Promise.all([
    readStartedAt(storage, paths),
    dataSoFar(storage, paths),
    keptDigests(storage, paths),
    withOwner ? readOwner(storage, paths) : undefined,
  ])
  const first = startedAt ?? data?.modifiedAt
  if (first === undefined) return undefined
  const size = data?.size ?? 0
  return {
    startedAt: first,
    lastWrittenAt: data?.modifiedAt ?? first,
    size,
    version: data !== undefined && kept?.size === size ? kept.version : undefined,
    kept,
    owner,
    isOwn: false,
  }
}

/** The bytes so far; undefined where there is no file of them. */
export async function dataSoFar(
  storage: StorageDriver,
  paths: UploadPaths,
): Promise<{ size: number; modifiedAt: Date } | undefined> {
  try {
    const info = await storage.stat(paths.data)
    return info.kind === 'file' ? info : undefined
  } catch (error) {
    if (isPathNotFound(error)) return undefined
    throw error
  }
}

/** In whole seconds.
 *  @returns what was written */
export async function writeStartedAt(storage: StorageDriver, paths: UploadPaths): Promise<Date> {
  const startedAt = new Date(Math.floor(Date.now() / 1000) * 1000)
  await storage.put(paths.startedAt, Buffer.from(formatSeconds(startedAt)), { durable: false })
  return startedAt
}

/** Undefined where the file is missing or a crash left it empty. */
async function readStartedAt(storage: StorageDriver, paths: UploadPaths): Promise<Date | undefined> {
  try {
    const startedAt = new Date(
      Buffer.from(await storage.get(paths.startedAt))
        .toString()
        .trim(),
    )
    return Number.isNaN(startedAt.getTime()) ? undefined : startedAt
  } catch (error) {
    if (isPathNotFound(error)) return undefined
    throw error
  }
}

/** RFC 3339 in UTC with whole seconds, as Distribution writes it. */
function formatSeconds(date: Date): string {
  return date.toISOString().replace(/\.\d{3}Z$/, 'Z')
}
