import { lstat, mkdir, rm, rmdir } from 'node:fs/promises'

/** Makes a folder that only its owner may enter.
 *  @throws Error if something else is there, or another user owns it */
export async function makePrivateFolder(path: string): Promise<void> {
  await mkdir(path, { recursive: true, mode: 0o700 })
  const { uid, mode, isDirectory } = await lstat(path).then((stats) => ({
    uid: stats.uid,
    mode: stats.mode & 0o777,
    isDirectory: stats.isDirectory(),
  }))
  const isOwn = uid === process.getuid?.()
  if (!isDirectory || !isOwn || (mode & 0o077) !== 0)
    throw new Error(`${path} is not a folder that only this user may enter`)
}

/** Removes a file, if there is one. */
export async function removeFile(path: string): Promise<void> {
  await rm(path, { force: true })
}

/** Removes a folder, unless it has files, or is gone. */
export async function removeIfEmpty(path: string): Promise<void> {
  await rmdir(path).catch(() => undefined)
}
