/** The small files beside an upload's bytes. Distribution ignores all but `startedat`. None need survive a
 *  power cut: without `startedat` the time of the bytes counts, without a record the bytes are read again,
 *  and without an owner the upload's id is the secret, as in Distribution. */
import { algorithmOf, CANONICAL, isDigest, isTarSum } from '../../core/digest.ts'
import type { FileVersion, StorageDriver } from '../../core/storage-driver.ts'
import type { UploadPaths } from '../paths.ts'
import { readIfPresent } from '../read-if-present.ts'
import type { KnownDigests } from './running-digests.ts'

/** Writes the start time, in whole seconds.
 *  @returns the written time */
export async function writeStartedAt(storage: StorageDriver, paths: UploadPaths): Promise<Date> {
  const startedAt = new Date(Math.floor(Date.now() / 1000) * 1000)
  await storage.put(paths.startedAt, Buffer.from(formatSeconds(startedAt)), { durable: false, isNew: true })
  return startedAt
}

/** Undefined if the file is missing, or if a crash left it empty. */
export async function readStartedAt(storage: StorageDriver, paths: UploadPaths): Promise<Date | undefined> {
  const startedAt = new Date((await readIfPresent(storage, paths.startedAt))?.toString().trim() ?? '')
  return Number.isNaN(startedAt.getTime()) ? undefined : startedAt
}

/** RFC 3339 in UTC with whole seconds, as Distribution writes it. */
function formatSeconds(date: Date): string {
  return date.toISOString().replace(/\.\d{3}Z$/, 'Z')
}

/** The known owner of an upload. */
export interface KnownOwner {
  /** Undefined if it has none: it was started by Distribution, or without access control. A file that a power
   *  cut left empty names no owner. */
  readonly name: string | undefined
}

export function writeOwner(
  storage: StorageDriver,
  { paths, owner }: { paths: UploadPaths; owner: string },
): Promise<void> {
  return storage.put(paths.owner, Buffer.from(owner), { durable: false })
}

export async function readOwner(storage: StorageDriver, paths: UploadPaths): Promise<KnownOwner> {
  return { name: (await readIfPresent(storage, paths.owner))?.toString() }
}

/** True if the client may continue the upload. `asking` is undefined without access control.
 *  @param owner undefined if it was not read: then only clients without an identity of their own may
 *    continue */
export function mayContinue(owner: KnownOwner | undefined, asking: string | undefined): boolean {
  if (asking === undefined) return true
  return owner !== undefined && (owner.name === undefined || owner.name === asking)
}

/** The version of the bytes and its digests; without digests if they are unknown. Only a cache: a malformed
 *  record, or one with an outdated version, counts as absent. */
export interface UploadRecord extends KnownDigests {
  readonly version: FileVersion
}

export function writeRecord(storage: StorageDriver, paths: UploadPaths, record: UploadRecord): Promise<void> {
  return storage.put(paths.digests, Buffer.from(JSON.stringify(record)), { durable: false })
}

export async function readRecord(
  storage: StorageDriver,
  paths: UploadPaths,
): Promise<UploadRecord | undefined> {
  const content = await readIfPresent(storage, paths.digests)
  return content && parseRecord(content.toString())
}

/** Undefined unless `writeRecord` wrote it. */
function parseRecord(text: string): UploadRecord | undefined {
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
  const { size, digests, version } = (value ?? {}) as Partial<UploadRecord>
  if (!Number.isSafeInteger(size) || typeof version !== 'string') return undefined
  if (!Array.isArray(digests) || !digests.every((digest) => isDigest(digest) || isTarSum(digest)))
    return undefined
  const isKnown = digests.length === 0 || digests.some((digest) => algorithmOf(digest) === CANONICAL)
  return isKnown ? { size: size as number, digests, version } : undefined
}
