import { constants, type FileHandle, open, readdir, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { newMark, stateOf } from '../process-identity.ts'

/** Prefix of the names of spool files. */
export const SPOOL = '~spool.'

/** A file that is written at its end, read anywhere, and gone when it is closed. Without a name it is also gone when
 *  the process has ended; with one it can be renamed, and then stays. */
export class SpoolFile {
  /** Undefined if it has no name. */
  readonly path: string | undefined
  readonly #file: FileHandle
  #size = 0

  private constructor(file: FileHandle, path?: string) {
    this.#file = file
    this.path = path
  }

  /** @param named true for a file that is to be renamed
   *  @throws Error of the system */
  static async open(folder: string, { named = false } = {}): Promise<SpoolFile> {
    const unnamed = named ? undefined : await openUnnamed(folder)
    if (unnamed !== undefined) return new SpoolFile(unnamed)
    const path = join(folder, `${SPOOL}${newMark()}`)
    const file = await open(path, 'wx+', 0o600)
    if (named) return new SpoolFile(file, path)
    await unlink(path)
    return new SpoolFile(file)
  }

  /** Bytes written so far. */
  get size(): number {
    return this.#size
  }

  /** Appends chunks, or as many of their first bytes as the system takes at once; one call at a time. */
  async append(chunks: readonly Uint8Array[]): Promise<void> {
    this.#size += (await this.#file.writev(chunks, this.#size)).bytesWritten
  }

  /** @returns how many bytes were read; 0 at the end */
  async read(buffer: Uint8Array, position: number): Promise<number> {
    return (await this.#file.read(buffer, 0, buffer.length, position)).bytesRead
  }

  async close(): Promise<void> {
    await this.#file.close()
    if (this.path !== undefined) await unlink(this.path).catch(unlessGone)
  }
}

/** O_TMPFILE of Linux, open(2). */
const UNNAMED = 0o20000000 | constants.O_DIRECTORY

/** What systems and file systems that have no such files answer. */
const NOT_SUPPORTED: ReadonlySet<string | undefined> = new Set(['EOPNOTSUPP', 'EISDIR', 'EINVAL', 'ENOENT'])

/** A file that never has a name, so that nothing is left of it whenever the process ends. Undefined if there
 *  are none here. */
async function openUnnamed(folder: string): Promise<FileHandle | undefined> {
  if (process.platform !== 'linux') return undefined
  try {
    return await open(folder, UNNAMED | constants.O_RDWR, 0o600)
  } catch (error) {
    if (NOT_SUPPORTED.has((error as NodeJS.ErrnoException).code)) return undefined
    throw error
  }
}

/** Removes the files with names of processes that have ended without removing them. */
export async function removeAbandonedSpools(folder: string): Promise<void> {
  const names = await readdir(folder).catch(() => []) // it can't be read, or does not exist yet
  const abandoned = names.filter(
    (name) => name.startsWith(SPOOL) && stateOf(name.slice(SPOOL.length)) === 'gone',
  )
  await Promise.all(abandoned.map((name) => unlink(join(folder, name)).catch(unlessGone)))
}

/** It was renamed, or removed. */
function unlessGone(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error
}
