import { randomUUID } from 'node:crypto'
import { chmod, chown, open, readFile, rename, rm, stat } from 'node:fs/promises'
import { dirname } from 'node:path'

/** A file's text; empty where there is none. */
export async function textOf(path: string): Promise<string> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return ''
    throw error
  }
}

/** Puts a text in a file's place so that a reader, and a power cut, find the old one or the new. What is new is its
 *  owner's alone; what was there keeps its owner and mode. */
export async function replaceFile(path: string, text: string): Promise<void> {
  const temporary = `${path}.${randomUUID()}.tmp`
  try {
    const file = await open(temporary, 'wx', 0o600)
    try {
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
    await keepOwner(path, temporary)
    await rename(temporary, path)
    await syncFolder(dirname(path))
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}

async function keepOwner(path: string, temporary: string): Promise<void> {
  try {
    const { mode, uid, gid } = await stat(path)
    await chown(temporary, uid, gid)
    await chmod(temporary, mode & 0o7777)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
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
