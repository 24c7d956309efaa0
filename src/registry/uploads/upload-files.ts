/** The small files beside an upload's bytes. Distribution passes all but `startedat` by. None need survive a power cut: without
 *  `startedat` the time of the bytes counts, without a record the bytes are read again, and without an owner the upload's id is
 *  the secret that it is in Distribution. */
import { algorithmOf, CANONICAL, isDigest } from '../../core/digest.ts'
import type { FileVersion, StorageDriver } from '../../core/storage-driver.ts'
import type { UploadPaths } from '../paths.ts'
import { readIfPresent } from '../read-if-present.ts'
import type { KnownDigests } from './running-digests.ts'

/** In whole seconds.
 *  @returns what was written */
export async function writeStartedAt(storage: StorageDriver, paths: UploadPaths): Promise<Date> {
  const startedAt = new Date(Math.floor(Date.now() / 1000) * 1000)
  await storage.put(paths.startedAt, Buffer.from(formatSeconds(startedAt)), { durable: false })
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

/** What was found out about an upload's owner. */
export interface KnownOwner {
  /** Undefined if it has none: it was begun by Distribution, or without access control. A file that a power cut left empty
   *  names nobody. */
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

/** True if whoever asks may continue the upload; `asking` is undefined where everybody may.
 *  @param owner undefined if it was not looked at: then only those may who need not be the owner */
export function mayContinue(owner: KnownOwner | undefined, asking: string | undefined): boolean {
  if (asking === undefined) return true
  return owner !== undefined && (owner.name === undefined || owner.name === asking)
}

/** Which version of the bytes there is, and its digests: none if nobody has computed them. Only a shortcut: a record that
 *  makes no sense, or whose version the storage does not know any more, counts as absent. */
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

/** Undefined for anything that `writeRecord` does not write. */
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
  if (!Array.isArray(digests) || !digests.every(isDigest)) return undefined
  const isKnown = digests.length === 0 || digests.some((digest) => algorithmOf(digest) === CANONICAL)
  return isKnown ? { size: size as number, digests, version } : undefined
}
