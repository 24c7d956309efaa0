import type * as fs from 'node:fs'
import { stat } from 'node:fs/promises'
import type { Entry } from '../../core/storage-driver.ts'
import { isErrno, readError } from './errno.ts'
import { isStateFolder } from './part-name.ts'
import { isTemporary } from './temporary-name.ts'

/** The kind of an entry as the driver reports it; a state is a file. Undefined for entries that are not
 *  listed. */
export async function kindOfChild(entry: fs.Dirent): Promise<Entry['kind'] | undefined> {
  return entry.isSymbolicLink() ? unlessTemporary(entry, await kindBehind(entry)) : kindOfPlain(entry)
}

/** The kind of an entry that is no symbolic link. */
export function kindOfPlain(entry: fs.Dirent): Entry['kind'] | undefined {
  return isStateFolder(entry) ? 'file' : unlessTemporary(entry, kindOf(entry))
}

function unlessTemporary({ name }: fs.Dirent, kind: Entry['kind'] | undefined): Entry['kind'] | undefined {
  return kind === 'file' && isTemporary(name) ? undefined : kind
}

/** Undefined for other kinds, such as sockets. */
function kindOf(entry: Pick<fs.Dirent, 'isFile' | 'isDirectory'>): Entry['kind'] | undefined {
  if (entry.isFile()) return 'file'
  return entry.isDirectory() ? 'folder' : undefined
}

/** The kind of a link's target. Undefined if it leads nowhere, or to another kind. */
async function kindBehind(link: fs.Dirent): Promise<Entry['kind'] | undefined> {
  try {
    return kindOf(await stat(`${link.parentPath}/${link.name}`))
  } catch (cause) {
    if (isErrno(cause, 'ENOENT', 'ENOTDIR', 'ELOOP')) return undefined
    throw readError(cause, link.name)
  }
}
