import { isFile, type ObjectInfo } from './object-info.ts'
import { NO_GENERATION, type ObjectVersion } from './version.ts'

/** The object that a writer appends to. */
export interface AppendBase {
  /** '0' if there is no object. */
  readonly generation: string
  /** Undefined if there is no file, even if there is an object to be replaced. */
  readonly size: number | undefined
  /** The origin of the state: assumed without a look-up; told by the caller's version; found by a look-up;
   *  written here. */
  readonly known: 'assumed' | 'told' | 'found' | 'written'
}

/** The base of a new file. */
export const NOTHING: AppendBase = { generation: NO_GENERATION, size: undefined, known: 'assumed' }

export function knownBase(version: ObjectVersion): AppendBase {
  return { ...version, known: 'told' }
}

/** The base for an object that was looked up. Distribution's upload sessions are no files and can be
 *  replaced. */
export function appendBaseOf(found: ObjectInfo | undefined): AppendBase {
  const size = isFile(found) ? Number(found.size) : undefined
  return { generation: found?.generation ?? NO_GENERATION, size, known: 'found' }
}
