import { randomUUID } from 'node:crypto'
import { readdir, stat } from 'node:fs/promises'
import type { IncompleteUpload } from '../../core/storage-driver.ts'
import { SPOOL } from '../../lib/files/spool-file.ts'
import { partsOf } from './appending/appended-files.ts'
import type { FileCalls } from './calls/file-calls.ts'
import { isErrno, readError, writeError } from './errno.ts'
import { FENCE } from './fences.ts'
import { MAX_ATTEMPTS } from './folders.ts'
import { stateFolderOf } from './part-name.ts'
import { ASIDE, type SpareFolders } from './spare-folders.ts'

/** Removes files and folders. Other processes may go on to write in them meanwhile. */
export class Removals {
  readonly #root: string
  readonly #calls: FileCalls
  readonly #spares: SpareFolders

  /** @param root without a slash at its end */
  constructor(root: string, { calls, spares }: { calls: FileCalls; spares: SpareFolders }) {
    this.#root = root
    this.#calls = calls
    this.#spares = spares
  }

  /** Removes a file or folder; a file also under its other names, those of its state and its parts. */
  async remove(path: string): Promise<void> {
    if (await this.#remove(path)) return
    await this.#remove(stateFolderOf(path))
    for (const location of await partsOf(path)) await this.#remove(location)
  }

  /** Removes a folder.
   *  @param files small files that it probably has, at least the first one */
  async removeFolder(folder: string, files: readonly string[]): Promise<void> {
    const left = await this.#spares.keep(folder, files).catch(() => folder)
    if (left !== undefined) await this.remove(left)
  }

  /** Removes the folders that are kept for the next ones. What fails is left to `unfinished`. */
  async removeSpares(): Promise<void> {
    const removals = this.#spares.takeAll().map((folder) => this.remove(folder))
    await Promise.allSettled(removals)
  }

  /** Folders that were set aside for removal, and spool files, of processes that have ended before they removed
   *  them. */
  async *unfinished(): AsyncIterable<IncompleteUpload> {
    const root = this.#root || '/'
    const names = await readdir(root).catch((cause) => {
      if (isErrno(cause, 'ENOENT')) return []
      throw readError(cause, '/')
    })
    for (const name of names) {
      if (![ASIDE, FENCE, SPOOL].some((prefix) => name.startsWith(prefix))) continue
      const location = `${this.#root}/${name}`
      const stats = await stat(location).catch(() => undefined)
      if (stats === undefined) continue
      yield {
        path: `/${name}`,
        modifiedAt: stats.ctime,
        remove: async () => {
          await this.#remove(location).catch((cause) => {
            throw writeError(cause, `/${name}`)
          })
        },
      }
    }
  }

  /** Node's `rm` needs twice as many trips to the thread pool, and every upload ends with a removal.
   *  @returns false if it did not exist */
  async #remove(path: string): Promise<boolean> {
    try {
      const standing = await this.#calls.peek(path)
      if (standing === 'nothing') return false
      if (standing === 'folder') await this.#removeFolder(path)
      else await this.#calls.unlink(path)
    } catch (cause) {
      if (isErrno(cause, 'ENOENT', 'ENOTDIR')) return false
      // Linux answers EISDIR for a folder, POSIX and others EPERM.
      if (!isErrno(cause, 'EISDIR', 'EPERM')) throw cause
      await this.#removeFolder(path, cause)
    }
    return true
  }

  /** Removes a folder. If other processes go on to create files in it, it is renamed out of their reach. */
  async #removeFolder(folder: string, unlinked?: unknown): Promise<void> {
    let location = folder
    for (let attempt = 1; ; attempt++) {
      try {
        const names = await this.#calls.readdir(location)
        await Promise.all(names.map((name) => this.#remove(`${location}/${name}`)))
        return await this.#calls.rmdir(location)
      } catch (cause) {
        if (isErrno(cause, 'ENOENT')) return
        if (isErrno(cause, 'ENOTDIR')) throw unlinked ?? cause
        if (!isErrno(cause, 'ENOTEMPTY') || attempt === MAX_ATTEMPTS) throw cause
      }
      if (location === folder) location = await this.#setAside(folder)
    }
  }

  /** Renames the folder directly below the root, where no registry looks and no path leads. */
  async #setAside(folder: string): Promise<string> {
    const aside = `${this.#root}/${ASIDE}${randomUUID()}`
    try {
      await this.#calls.rename(folder, aside)
    } catch (cause) {
      if (!isErrno(cause, 'ENOENT')) throw cause // another process removed it
    }
    return aside
  }
}
