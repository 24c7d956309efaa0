import { StorageError } from '../../core/errors.ts'
import type { FileVersion } from '../../core/storage-driver.ts'
import type { ObjectInfo } from './object-info.ts'

/** The version of a file: its object's generation, which changes with its content. The size is included to
 *  save a look-up.
 *  @see https://cloud.google.com/storage/docs/metadata#generation-number */
export interface ObjectVersion {
  readonly generation: string
  readonly size: number
}

/** The generation of a missing object, in conditions. */
export const NO_GENERATION = '0'

/** Undefined for incomplete descriptions, such as a proxy's answer. */
export function versionOf({ generation = '', size = '' }: ObjectInfo): ObjectVersion | undefined {
  return isGeneration(generation) && /^\d+$/.test(size) ? { generation, size: Number(size) } : undefined
}

export function formatVersion({ generation, size }: ObjectVersion): FileVersion {
  return `${generation}-${size}`
}

/** Undefined unless this driver made it. */
export function parseVersion(version: FileVersion): ObjectVersion | undefined {
  const [generation, size, ...rest] = version.split('-')
  return rest.length === 0 ? versionOf({ generation, size }) : undefined
}

function isGeneration(text: string): boolean {
  return /^[1-9]\d*$/.test(text)
}

/** Parses a version.
 *  @throws StorageError OFFSET_INVALID if another driver made it: no file here has it */
export function parseIfGiven(version: FileVersion | undefined, path: string): ObjectVersion | undefined {
  if (version === undefined) return undefined
  const parsed = parseVersion(version)
  if (parsed === undefined) throw otherFile(path)
  return parsed
}

/** The error for a file that is not the one with the version. */
export function otherFile(path: string): StorageError {
  return new StorageError('OFFSET_INVALID', { path })
}
