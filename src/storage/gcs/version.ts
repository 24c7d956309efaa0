import type { FileVersion } from '../../core/storage-driver.ts'
import type { ObjectInfo } from './object-info.ts'

/** Which bytes an object holds: an object never changes, a new one has another generation. The size is carried along so that
 *  nobody need ask for it.
 *  @see https://cloud.google.com/storage/docs/metadata#generation-number */
export interface ObjectVersion {
  readonly generation: string
  readonly size: number
}

/** Where there is no object, as conditions have it. */
export const NO_GENERATION = '0'

/** Undefined for what does not say so, such as the answer of some proxy. */
export function versionOf({ generation = '', size = '' }: ObjectInfo): ObjectVersion | undefined {
  return isGeneration(generation) && /^\d+$/.test(size) ? { generation, size: Number(size) } : undefined
}

export function formatVersion({ generation, size }: ObjectVersion): FileVersion {
  return `${generation}-${size}`
}

/** Undefined for what this driver has not given. */
export function parseVersion(version: FileVersion): ObjectVersion | undefined {
  const [generation, size, ...rest] = version.split('-')
  return rest.length === 0 ? versionOf({ generation, size }) : undefined
}

function isGeneration(text: string): boolean {
  return /^[1-9]\d*$/.test(text)
}
