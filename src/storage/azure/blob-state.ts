import { randomUUID } from 'node:crypto'
import type { BlobClient, BlobGetPropertiesResponse, Metadata } from '@azure/storage-blob'
import { StorageError } from '../../core/errors.ts'
import type { FileVersion } from '../../core/storage-driver.ts'
import { isConditionNotMet, isRefusal } from './errors.ts'

/** The state of a blob at one moment, enough for conditional copies and appends. */
export interface BlobState {
  /** `BlockBlob` or `AppendBlob`. */
  readonly type: string
  /** Changed by the service with every write, also if the blob is removed and created again. */
  readonly etag: string
  /** In bytes. */
  readonly size: number
  /** Number of appended blocks. */
  readonly blockCount: number
}

type Properties = Pick<
  BlobGetPropertiesResponse,
  'blobType' | 'contentLength' | 'etag' | 'blobCommittedBlockCount'
>

/** The state in a blob's properties.
 *  @throws StorageError BACKEND_FAILED if they are incomplete */
export function stateOf(properties: Properties): BlobState {
  return {
    type: properties.blobType ?? '',
    etag: requireEtag(properties),
    size: properties.contentLength ?? 0,
    blockCount: properties.blobCommittedBlockCount ?? 0,
  }
}

/** The ETag, without which no condition is possible.
 *  @throws StorageError BACKEND_FAILED if it is missing */
export function requireEtag({ etag }: { etag?: string | undefined }): string {
  if (etag !== undefined && etag !== '') return etag
  throw new StorageError('BACKEND_FAILED', { path: '/', message: 'the service gave no ETag' })
}

/** The properties of a blob. Undefined if it does not exist.
 *  @throws the SDK's errors */
export async function propertiesOf(blob: BlobClient): Promise<BlobGetPropertiesResponse | undefined> {
  try {
    return await blob.getProperties()
  } catch (cause) {
    if (isRefusal(cause, 'BlobNotFound')) return undefined
    throw cause
  }
}

/** False for the target of a copy that is running or has failed, which the service lists like a complete
 *  blob. */
export function isWhole({ copyStatus = 'success' }: { copyStatus?: string | undefined }): boolean {
  return copyStatus === 'success'
}

/** Checks that a blob is complete.
 *  @throws StorageError PATH_NOT_FOUND */
export function requireWhole(properties: { copyStatus?: string | undefined }, path: string): void {
  if (isWhole(properties)) return
  const message = `copied in part only (${properties.copyStatus}): ${path}`
  throw new StorageError('PATH_NOT_FOUND', { path, message })
}

/** The state of a complete blob.
 *  @throws StorageError PATH_NOT_FOUND; the SDK's errors */
export async function wholeState(blob: BlobClient): Promise<BlobState> {
  const properties = await blob.getProperties()
  requireWhole(properties, blob.name)
  return stateOf(properties)
}

/** Removes a blob if it has the ETag.
 *  @returns false if it has not, or does not exist */
export async function removeUnchanged(blob: BlobClient, etag: string): Promise<boolean> {
  try {
    const { succeeded } = await blob.deleteIfExists({
      deleteSnapshots: 'include',
      conditions: { ifMatch: etag },
    })
    return succeeded
  } catch (cause) {
    if (isConditionNotMet(cause)) return false
    throw cause
  }
}

/** The version of an append blob. Block blobs have none, because they are never appended to. */
export function versionOf({ etag, size, blockCount }: BlobState): FileVersion {
  return `${etag} ${size} ${blockCount}`
}

const VERSION = /^(?<etag>"[^"\s]+") (?<size>\d+) (?<blockCount>\d+)$/

/** Parses a version.
 *  @throws StorageError OFFSET_INVALID if another driver made it: no file has it */
export function stateOfVersion(version: FileVersion, path: string): BlobState {
  const { etag, size, blockCount } = VERSION.exec(version)?.groups ?? {}
  if (etag === undefined) throw new StorageError('OFFSET_INVALID', { path })
  return { type: 'AppendBlob', etag, size: Number(size), blockCount: Number(blockCount) }
}

const MARK = 'entrepot'

/** Metadata that identifies the blob of one request. */
export function newMark(): Metadata {
  return { [MARK]: randomUUID() }
}

export function bears(
  properties: { metadata?: Metadata | undefined } | undefined,
  { [MARK]: mark }: Metadata,
): boolean {
  return mark !== undefined && properties?.metadata?.[MARK] === mark
}
