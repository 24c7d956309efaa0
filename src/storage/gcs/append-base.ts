import { isFile, type ObjectInfo } from './object-info.ts'
import { NO_GENERATION, type ObjectVersion } from './version.ts'

/** What a file is before something is written behind it. */
export interface AppendBase {
  /** '0' where there is no object. */
  readonly generation: string
  /** Undefined where the file is not there, though an object may be that is to be replaced. */
  readonly size: number | undefined
  /** Why it is taken to be so: nobody has looked; the caller's version says so; somebody has looked; it was written here. */
  readonly known: 'assumed' | 'told' | 'found' | 'written'
}

/** Of a file that begins. */
export const NOTHING: AppendBase = { generation: NO_GENERATION, size: undefined, known: 'assumed' }

export function knownBase(version: ObjectVersion): AppendBase {
  return { ...version, known: 'told' }
}

/** Of an object that was looked for. What Distribution keeps of an upload is no file, and can be replaced. */
export function appendBaseOf(found: ObjectInfo | undefined): AppendBase {
  const size = isFile(found) ? Number(found.size) : undefined
  return { generation: found?.generation ?? NO_GENERATION, size, known: 'found' }
}
