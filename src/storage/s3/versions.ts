import { StorageError } from '../../core/errors.ts'
import type { FileVersion } from '../../core/storage-driver.ts'

/** An object, told from any other that stood or will stand under its key. */
export interface StoredObject {
  readonly size: number
  /** What requests can be made conditional on. On many stores it follows from the content alone. */
  readonly etag: string
  /** Random, made for this object by the driver that wrote it, and kept in its metadata. Empty where it was written otherwise. */
  readonly mark: string
}

/** What a `FileVersion` names: an object, or bytes that are the parts of an open multipart upload, of one writer or of several.
 *  Of these the entity tag is the record's, and the mark the one that the object will have which is made of them. */
export interface KnownBytes extends StoredObject {
  readonly kind: 'object' | 'parts' | 'shared-parts'
}

/** An object of which some bytes are meant: its first `size`. */
export interface MeantBytes extends StoredObject {
  /** True where a writer that came late may have made the last part longer; what stands before is the same. */
  readonly mayBeLonger: boolean
}

export function formatVersion({ kind, size, etag, mark }: KnownBytes): FileVersion {
  return `${kind} ${size} ${etag} ${mark}`
}

/** @throws StorageError OFFSET_INVALID when it was given by another driver, which can't have given it for what stands here */
export function parseVersion(version: FileVersion, path: string): KnownBytes {
  const [, kind, size, etag, mark] = /^(object|parts|shared-parts) (\d+) ("[^"]+") (\S*)$/.exec(version) ?? []
  if (etag === undefined || mark === undefined) throw new StorageError('OFFSET_INVALID', { path })
  return { kind: kind as KnownBytes['kind'], size: Number(size), etag, mark }
}

export function isSameObject(found: Omit<StoredObject, 'size'>, meant: Omit<StoredObject, 'size'>): boolean {
  return found.etag === meant.etag && found.mark === meant.mark
}
