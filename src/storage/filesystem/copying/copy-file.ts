import { constants } from 'node:fs'
import * as fs from 'node:fs/promises'
import { close, fdatasync, open } from '../calls/descriptors.ts'
import { isErrno } from '../errno.ts'
import { temporaryFor } from '../temporary-name.ts'

/** Gives the bytes of a file a second name, which appears whole and replaces what was there. A name that is
 *  not allowed (files of another user, a file system without hard links) becomes a copy of the bytes. The
 *  target's folder must exist; its entries are not synced. */
export async function copyFile(file: string, target: string): Promise<void> {
  const temporary = temporaryFor(target)
  try {
    await linkOrCopy(file, temporary)
    await fs.rename(temporary, target)
  } finally {
    // Renaming one of two names of the same file to the other leaves it.
    await fs.unlink(temporary).catch(() => undefined)
  }
}

async function linkOrCopy(file: string, target: string): Promise<void> {
  try {
    await fs.link(file, target)
  } catch (cause) {
    if (!isErrno(cause, 'EPERM', 'EACCES', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EXDEV')) throw cause
    await fs.copyFile(file, target, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE)
    await fs.chmod(target, 0o644)
    const fd = await open(target, 'r+')
    try {
      await fdatasync(fd)
    } finally {
      await close(fd)
    }
  }
}
