import { link, readdir, readFile, stat, unlink } from 'node:fs/promises'
import type { FileVersion, State } from '../../core/storage-driver.ts'
import type { FileCalls } from './calls/file-calls.ts'
import { isErrno } from './errno.ts'
import type { Folders } from './folders.ts'
import { stateFolderOf } from './part-name.ts'
import { temporaryFor } from './temporary-name.ts'

/** Time for which a replaced version is kept. A process that was suspended for longer between reading a state
 *  and swapping it fails to swap. */
const KEEP_MS = 10 * 60_000

/** Compare-and-swap without locks, so that a crash blocks no other process: a state is a folder of numbered
 *  files. The highest number is the current state, and a name can be linked only once.
 *
 *  Old numbers are removed in ascending order, and never the first: so the successor of an existing number
 *  never existed before. */
export class States {
  readonly #folders: Folders
  readonly #lookups: FileCalls
  readonly #write: (file: string, content: Uint8Array) => Promise<void>

  /** Does no I/O.
   *  @param write writes a new file durably */
  constructor(
    { folders, lookups }: { folders: Folders; lookups: FileCalls },
    write: (file: string, content: Uint8Array) => Promise<void>,
  ) {
    this.#folders = folders
    this.#lookups = lookups
    this.#write = write
  }

  async get(file: string): Promise<State | undefined> {
    const folder = stateFolderOf(file)
    if ((await this.#lookups.peek(folder)) === 'nothing') return undefined
    for (;;) {
      const newest = (await numbersIn(folder)).at(-1)
      if (newest === undefined) return undefined
      try {
        return { content: await readFile(`${folder}/${newest}`), version: String(newest) }
      } catch (cause) {
        if (!isErrno(cause, 'ENOENT')) throw cause // otherwise it was removed for a newer one
      }
    }
  }

  async swap(
    file: string,
    content: Uint8Array,
    expected: FileVersion | undefined,
  ): Promise<FileVersion | undefined> {
    const folder = stateFolderOf(file)
    const next = Number(expected ?? 0) + 1
    const target = `${folder}/${next}`
    const isLinked = await this.#folders.within(folder, () => this.#link(target, content))
    if (!isLinked) return undefined
    if (expected !== undefined && !(await isThere(`${folder}/${expected}`))) {
      await unlink(target)
      return undefined
    }
    await this.#folders.secure(folder)
    await removeOld(folder, next)
    return String(next)
  }

  async #link(target: string, content: Uint8Array): Promise<boolean> {
    const temporary = temporaryFor(target)
    try {
      await this.#write(temporary, content)
      await link(temporary, target)
      return true
    } catch (cause) {
      if (isErrno(cause, 'EEXIST')) return false
      throw cause
    } finally {
      await unlink(temporary).catch(() => undefined)
    }
  }
}

/** The numbers in ascending order. */
async function numbersIn(folder: string): Promise<number[]> {
  try {
    const names = await readdir(folder)
    return names
      .filter((name) => /^\d+$/.test(name))
      .map(Number)
      .sort((one, other) => one - other)
  } catch (cause) {
    if (isErrno(cause, 'ENOENT', 'ENOTDIR')) return []
    throw cause
  }
}

async function removeOld(folder: string, newest: number): Promise<void> {
  for (const number of await numbersIn(folder)) {
    if (number === 1) continue
    if (number >= newest - 1 || !(await isOld(`${folder}/${number}`))) return
    await unlink(`${folder}/${number}`).catch(() => undefined)
  }
}

async function isOld(file: string): Promise<boolean> {
  try {
    return Date.now() - (await stat(file)).mtimeMs > KEEP_MS
  } catch (cause) {
    if (isErrno(cause, 'ENOENT')) return true
    throw cause
  }
}

async function isThere(file: string): Promise<boolean> {
  try {
    await stat(file)
    return true
  } catch (cause) {
    if (isErrno(cause, 'ENOENT')) return false
    throw cause
  }
}
