import type * as fs from 'node:fs'
import { stat } from 'node:fs/promises'
import type { Entry } from '../../core/storage-driver.ts'
import { isErrno, readError } from './errno.ts'
import { isStateFolder } from './part-name.ts'
import { isTemporary } from './temporary-name.ts'

/** What an entry is to the driver's caller; undefined where that is nothing. A state is a file. */
export async function kindOfChild(entry: fs.Dirent): Promise<Entry['kind'] | undefined> {
  return entry.isSymbolicLink() ? unlessTemporary(entry, await kindBehind(entry)) : kindOfPlain(entry)
}

/** The same of an entry that is no link. */
export function kindOfPlain(entry: fs.Dirent): Entry['kind'] | undefined {
  return isStateFolder(entry) ? 'file' : unlessTemporary(entry, kindOf(entry))
}

function unlessTemporary({ name }: fs.Dirent, kind: Entry['kind'] | undefined): Entry['kind'] | undefined {
  return kind === 'file' && isTemporary(name) ? undefined : kind
}

/** Undefined for what is neither, such as a socket. */
function kindOf(entry: Pick<fs.Dirent, 'isFile' | 'isDirectory'>): Entry['kind'] | undefined {
  if (entry.isFile()) return 'file'
  return entry.isDirectory() ? 'folder' : undefined
}

/** Undefined for a link that leads nowhere, or to what is neither. */
async function kindBehind(link: fs.Dirent): Promise<Entry['kind'] | undefined> {
  try {
    return kindOf(await stat(`${link.parentPath}/${link.name}`))
  } catch (cause) {
    if (isErrno(cause, 'ENOENT', 'ENOTDIR', 'ELOOP')) return undefined
    throw readError(cause, link.name)
  }
}
