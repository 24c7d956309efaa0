import { randomUUID } from 'node:crypto'
import { mkdir, readdir } from 'node:fs/promises'
import { dirname } from 'node:path'
import { StorageError } from '../../core/errors.ts'
import type { Fence } from '../../core/storage-driver.ts'
import { mapInOrder } from '../../lib/map-in-order.ts'
import { settleAll } from '../../lib/settle-all.ts'
import type { FileCalls } from './calls/file-calls.ts'
import { isErrno } from './errno.ts'
import type { Folders } from './folders.ts'

/** Prefix of the folders that removed files are moved into. No path can contain it. */
export const FENCE = '~fence.'

const NAME = /^~fence\.[0-9a-f-]{36}$/

/** Few: renames and removals in one folder wait for each other in the system. */
const CONCURRENCY = 3

/** A fence is a folder, and a file is removed by moving it there. The folder is created once, before others
 *  are told of it. Once it is removed, no rename can end in it, not even one under way. */
export class Fences {
  readonly #root: string
  readonly #folders: Folders
  readonly #calls: FileCalls

  constructor(root: string, { folders, calls }: { folders: Folders; calls: FileCalls }) {
    this.#root = root
    this.#folders = folders
    this.#calls = calls
  }

  async open(): Promise<Fence> {
    const fence = `${FENCE}${randomUUID()}`
    await this.#folders.within(this.#root || '/', () => mkdir(this.#locate(fence)))
    await this.#folders.secure(this.#root || '/')
    return fence
  }

  /** Moves files into the fence's folder, in parts that stand apart: neighbours are often in one folder.
   *  @param files paths of the operating system */
  async delete(files: readonly string[], fence: Fence): Promise<void> {
    const folder = this.#locate(fence)
    const length = Math.ceil(files.length / CONCURRENCY)
    const starts = Array.from({ length: CONCURRENCY }, (_, part) => part * length)
    await settleAll(
      starts.map(async (start) => {
        for (const file of files.slice(start, start + length)) await this.#move(file, folder)
      }),
    )
  }

  /** Removes the folder's files, then the folder; again if another process has moved files in meanwhile. */
  async close(fence: Fence): Promise<void> {
    const folder = this.#locate(fence)
    for (;;) {
      try {
        const names = await readdir(folder)
        const remove = (name: string) => this.#calls.unlink(`${folder}/${name}`).catch(ignoreMissing)
        for await (const _ of mapInOrder(names, { concurrency: CONCURRENCY, work: remove }));
        await this.#calls.rmdir(folder)
        break
      } catch (cause) {
        if (isErrno(cause, 'ENOENT')) break
        if (!isErrno(cause, 'ENOTEMPTY', 'EEXIST')) throw cause
      }
    }
    await this.#folders.sync(this.#root || '/')
  }

  async #move(file: string, folder: string): Promise<void> {
    try {
      await this.#calls.rename(file, `${folder}/${randomUUID()}`)
    } catch (cause) {
      if (!isErrno(cause, 'ENOENT', 'ENOTDIR')) throw cause
      await this.#requireOpen(folder, file)
      return
    }
    // Fails if the folder has files again, which stay.
    await this.#calls.rmdir(dirname(file)).catch(() => undefined)
  }

  async #requireOpen(folder: string, path: string): Promise<void> {
    try {
      await readdir(folder)
    } catch (cause) {
      if (!isErrno(cause, 'ENOENT')) throw cause
      throw new StorageError('FENCE_CLOSED', { path, cause })
    }
  }

  #locate(fence: Fence): string {
    if (!NAME.test(fence))
      throw new StorageError('FENCE_CLOSED', { path: '/', message: 'not a fence of this driver' })
    return `${this.#root}/${fence}`
  }
}

function ignoreMissing(cause: unknown): void {
  if (!isErrno(cause, 'ENOENT')) throw cause
}
