import { randomUUID } from 'node:crypto'
import type { BlobClient, BlobGetPropertiesResponse, Metadata } from '@azure/storage-blob'
import { StorageError } from '../../core/errors.ts'
import type { FileVersion } from '../../core/storage-driver.ts'
import { isConditionNotMet, isRefusal } from './errors.ts'

/** A blob at one moment: enough to copy it, or to append to it, on the condition that it is still the same. */
export interface BlobState {
  /** `BlockBlob` or `AppendBlob`. */
  readonly type: string
  /** The service gives a blob another one with every write, also when it is removed and made again. */
  readonly etag: string
  /** In bytes. */
  readonly size: number
  /** How many blocks were appended to it. */
  readonly blockCount: number
}

type Properties = Pick<
  BlobGetPropertiesResponse,
  'blobType' | 'contentLength' | 'etag' | 'blobCommittedBlockCount'
>

/** @throws StorageError BACKEND_FAILED */
export function stateOf(properties: Properties): BlobState {
  return {
    type: properties.blobType ?? '',
    etag: requireEtag(properties),
    size: properties.contentLength ?? 0,
    blockCount: properties.blobCommittedBlockCount ?? 0,
  }
}

/** Without an ETag there would be no condition on it.
 *  @throws StorageError BACKEND_FAILED */
export function requireEtag({ etag }: { etag?: string | undefined }): string {
  if (etag !== undefined && etag !== '') return etag
  throw new StorageError('BACKEND_FAILED', { path: '/', message: 'the service gave no ETag' })
}

/** What the service says of a blob; undefined where there is none.
 *  @throws whatever the SDK throws */
export async function propertiesOf(blob: BlobClient): Promise<BlobGetPropertiesResponse | undefined> {
  try {
    return await blob.getProperties()
  } catch (cause) {
    if (isRefusal(cause, 'BlobNotFound')) return undefined
    throw cause
  }
}

/** What a copy has left that is under way or has failed is no file, but the service shows it like one. */
export function isWhole({ copyStatus = 'success' }: { copyStatus?: string | undefined }): boolean {
  return copyStatus === 'success'
}

/** @throws StorageError PATH_NOT_FOUND */
export function requireWhole(properties: { copyStatus?: string | undefined }, path: string): void {
  if (isWhole(properties)) return
  const message = `copied in part only (${properties.copyStatus}): ${path}`
  throw new StorageError('PATH_NOT_FOUND', { path, message })
}

/** How a blob stands that is wholly there.
 *  @throws StorageError PATH_NOT_FOUND; whatever the SDK throws */
export async function wholeState(blob: BlobClient): Promise<BlobState> {
  const properties = await blob.getProperties()
  requireWhole(properties, blob.name)
  return stateOf(properties)
}

/** @returns whether it was there, and that one */
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

/** How an append blob stands. Block blobs have no versions: what is put is never gone on with. */
export function versionOf({ etag, size, blockCount }: BlobState): FileVersion {
  return `${etag} ${size} ${blockCount}`
}

const VERSION = /^(?<etag>"[^"\s]+") (?<size>\d+) (?<blockCount>\d+)$/

/** @throws StorageError OFFSET_INVALID when the version is none of this driver: no file has it */
export function stateOfVersion(version: FileVersion, path: string): BlobState {
  const { etag, size, blockCount } = VERSION.exec(version)?.groups ?? {}
  if (etag === undefined) throw new StorageError('OFFSET_INVALID', { path })
  return { type: 'AppendBlob', etag, size: Number(size), blockCount: Number(blockCount) }
}

const MARK = 'entrepot'

/** Metadata by which a blob can be told from any that another request has written. */
export function newMark(): Metadata {
  return { [MARK]: randomUUID() }
}

export function bears(
  properties: { metadata?: Metadata | undefined } | undefined,
  { [MARK]: mark }: Metadata,
): boolean {
  return mark !== undefined && properties?.metadata?.[MARK] === mark
}
