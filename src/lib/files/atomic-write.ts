import { chmod, chown, mkdir, open, readFile, readlink, realpath, rename, rm, stat } from 'node:fs/promises'
import { basename, dirname, join, resolve } from 'node:path'
import { type FileLockOptions, temporaryName, withFileLock } from './file-lock.ts'

/** A file's text; empty if there is none. */
export async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return ''
    throw error
  }
}

/** Changes the text of a file under a lock, so that concurrent changes of other processes follow each other.
 *  A missing file is empty. A symbolic link stays, and its target is changed.
 *  @returns the new text
 *  @throws Error if the file cannot be changed; it is unchanged then. Errors of `change` */
export async function updateFile(
  path: string,
  change: (text: string) => string,
  options?: FileLockOptions,
): Promise<string> {
  const target = await targetOf(path)
  return withFileLock(
    target,
    async (lock) => {
      const text = change(await textOf(target))
      await replaceFile(target, text, () => lock.confirm())
      return text
    },
    options,
  )
}

/** Replaces a file atomically and durably. An existing file keeps its owner and mode; a new one is readable
 *  by its owner only, and if root creates it, it gets the owner of its folder.
 *  @param isReady called before the last step; if it throws, nothing is changed */
export async function replaceFile(
  path: string,
  text: string,
  isReady: () => Promise<void> = async () => {},
): Promise<void> {
  const temporary = temporaryName(path)
  try {
    const file = await open(temporary, 'wx', 0o600)
    try {
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
    await takeOver(path, temporary)
    await isReady()
    await moveInto(path, temporary)
    await syncFolder(dirname(path))
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}

/** Creates the folder of a secret file, and its missing parents, for their owner only. If root creates them,
 *  they get the owner of the existing folder. */
export async function makeFolder(path: string): Promise<void> {
  const first = await mkdir(resolve(path), { recursive: true, mode: 0o700 })
  if (first === undefined || process.getuid?.() !== 0) return
  const { uid, gid } = await stat(dirname(first))
  for (let made = resolve(path); made.startsWith(first); made = dirname(made)) await chown(made, uid, gid)
}

async function moveInto(path: string, temporary: string): Promise<void> {
  try {
    await rename(temporary, path)
  } catch (cause) {
    if (codeOf(cause) !== 'EBUSY') throw cause
    throw new Error(`${path} is a mount point and can't be replaced: mount its folder instead`, {
      cause,
    })
  }
}

/** Gives the new file the owner and the mode of the old one. */
async function takeOver(path: string, temporary: string): Promise<void> {
  const old = await statIfThere(path)
  if (old !== undefined) {
    await giveTo(old, { path, temporary })
    await chmod(temporary, old.mode & 0o7777)
  } else if (process.getuid?.() === 0) {
    await giveTo(await stat(dirname(path)), { path, temporary })
  }
}

async function giveTo(
  { uid, gid }: { uid: number; gid: number },
  { path, temporary }: { path: string; temporary: string },
): Promise<void> {
  const made = await stat(temporary)
  if (made.uid === uid && made.gid === gid) return
  try {
    await chown(temporary, uid, gid)
  } catch (cause) {
    if (codeOf(cause) !== 'EPERM') throw cause
    throw new Error(`${path} belongs to another user, or another group: only they, or root, can change it`, {
      cause,
    })
  }
}

async function statIfThere(path: string) {
  try {
    return await stat(path)
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return undefined
    throw error
  }
}

/** The target of a path through symbolic links, whether or not it exists. */
async function targetOf(path: string): Promise<string> {
  try {
    return await realpath(path)
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
  }
  const folder = await realpath(dirname(path))
  try {
    return await targetOf(resolve(folder, await readlink(path)))
  } catch (error) {
    if (codeOf(error) !== 'ENOENT') throw error
    return join(folder, basename(path))
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path)
  try {
    await folder.sync()
  } finally {
    await folder.close()
  }
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code
}
