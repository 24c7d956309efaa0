import { StorageError } from '../../core/errors.ts'
import type { FileVersion } from '../../core/storage-driver.ts'

/** Identifies an object among all that have had its key. */
export interface StoredObject {
  readonly size: number
  /** For conditional requests. In many stores it depends on the content only. */
  readonly etag: string
  /** Random, written to the object's metadata by the driver. Empty if another program wrote it. */
  readonly mark: string
}

/** The content of a `FileVersion`: an object, or the parts of an open multipart upload, of one writer or of
 *  several. For parts, the entity tag is the record's, and the mark that of the completed object. */
export interface KnownBytes extends StoredObject {
  readonly kind: 'object' | 'parts' | 'shared-parts'
}

/** The first `size` bytes of an object. */
export interface MeantBytes extends StoredObject {
  /** True if a late writer may have extended the last part; the bytes before it are the same. */
  readonly mayBeLonger: boolean
}

export function formatVersion({ kind, size, etag, mark }: KnownBytes): FileVersion {
  return `${kind} ${size} ${etag} ${mark}`
}

/** Parses a version.
 *  @throws StorageError OFFSET_INVALID if another driver made it */
export function parseVersion(version: FileVersion, path: string): KnownBytes {
  const [, kind, size, etag, mark] = /^(object|parts|shared-parts) (\d+) ("[^"]+") (\S*)$/.exec(version) ?? []
  if (etag === undefined || mark === undefined) throw new StorageError('OFFSET_INVALID', { path })
  return { kind: kind as KnownBytes['kind'], size: Number(size), etag, mark }
}

export function isSameObject(found: Omit<StoredObject, 'size'>, meant: Omit<StoredObject, 'size'>): boolean {
  return found.etag === meant.etag && found.mark === meant.mark
}
