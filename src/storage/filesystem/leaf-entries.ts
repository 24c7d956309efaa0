import { type Dirent, readdirSync, statSync } from 'node:fs'
import { opendir } from 'node:fs/promises'
import { isName } from '../path.ts'
import { isErrno } from './errno.ts'
import { plainName } from './part-name.ts'
import { isTemporary } from './temporary-name.ts'

/** Most folders of a registry hold one or two files. */
const MAX_ENTRIES = 8

/** A larger folder has many entries, as a rule. */
const SMALL_FOLDER_BYTES = 4096

/** The entries of a folder of few files, in order; none if it is missing. Undefined if there are many, or others
 *  than plain files.
 *  @throws Error of the system */
export function leafEntriesAtOnce(location: string): Dirent[] | undefined {
  const stats = statSync(location, { throwIfNoEntry: false })
  if (stats === undefined) return []
  if (stats.size > SMALL_FOLDER_BYTES) return undefined
  const entries = unlessMissing(() => readdirSync(location, { withFileTypes: true })) ?? []
  return entries.length <= MAX_ENTRIES && entries.every(isPlain) ? inOrder(entries) : undefined
}

/** The same in the thread pool, and for a large folder without reading all of it. */
export async function leafEntriesInPool(location: string): Promise<Dirent[] | undefined> {
  const open = await opendir(location).catch((cause) => unlessMissing(() => rethrow(cause)))
  if (open === undefined) return []
  const entries: Dirent[] = []
  try {
    for (let entry = await open.read(); entry !== null; entry = await open.read()) {
      if (!isPlain(entry) || entries.length === MAX_ENTRIES) return undefined
      entries.push(entry)
    }
  } finally {
    await open.close()
  }
  return inOrder(entries)
}

function isPlain(entry: Dirent): boolean {
  return entry.isFile() && plainName(entry) === entry.name && isName(entry.name)
}

/** Without temporary files. */
function inOrder(entries: Dirent[]): Dirent[] {
  const named = entries.filter(({ name }) => !isTemporary(name))
  return named.sort((one, other) => (one.name < other.name ? -1 : 1))
}

function unlessMissing<T>(work: () => T): T | undefined {
  try {
    return work()
  } catch (cause) {
    if (isErrno(cause, 'ENOENT', 'ENOTDIR')) return undefined
    throw cause
  }
}

function rethrow(cause: unknown): never {
  throw cause
}
