import { rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { FileVersion, MoveOptions } from '../../core/storage-driver.ts'
import type { FileCalls } from './calls/file-calls.ts'
import { isErrno } from './errno.ts'
import type { Folders } from './folders.ts'
import type { Lookup } from './lookup.ts'
import { partOf } from './part-name.ts'

/** What is moved, and where to. */
export interface Move {
  readonly file: string
  /** The driver's path of the file, for errors. */
  readonly path: string
  readonly target: string
}

/** Moves files by renaming them. Paths are those of the operating system. */
export class Moves {
  readonly #folders: Folders
  readonly #calls: FileCalls
  readonly #lookup: Lookup

  constructor({ folders, calls, lookup }: { folders: Folders; calls: FileCalls; lookup: Lookup }) {
    this.#folders = folders
    this.#calls = calls
    this.#lookup = lookup
  }

  /** Syncs only the target's folder. File systems record both halves of a rename together; otherwise a power
   *  cut can at worst bring back a second name of the same bytes.
   *  @returns as of `StorageDriver.move`
   *  @throws StorageError; errors of the system */
  async move(move: Move, { replace = true, version }: MoveOptions): Promise<boolean> {
    const { file, path, target } = move
    const folder = dirname(target)
    if (!replace && (await this.#lookup.isFile(target))) {
      if (version !== undefined) await this.#lookup.requireVersion(file, path, version)
      return false
    }
    const source = version === undefined ? file : partOf(file, version)
    if (!(await this.#moveIntoNewFolder(source, target)))
      await this.#folders.within(folder, () => this.#rename(source, { ...move, version }))
    await this.#folders.secure(folder)
    return true
  }

  /** A blob has a folder of its own: a move into a missing one replaces no file, so it needs no trip to the pool.
   *  @returns false if the folder exists, the file is missing, or synchronous calls are not allowed; then nothing is
   *    changed */
  async #moveIntoNewFolder(source: string, target: string): Promise<boolean> {
    const folder = dirname(target)
    if ((await this.#calls.peek(source)) !== 'file' || !(await this.#folders.make(folder))) return false
    try {
      await this.#calls.rename(source, target)
      return true
    } catch (cause) {
      await this.#calls.rmdir(folder).catch(() => undefined) // others may have filled it
      if (isErrno(cause, 'ENOENT', 'ENOTDIR')) return false
      throw cause
    }
  }

  /** Renames a file, in the pool, because the target may be a large one that is replaced. ENOENT can mean
   *  either path; only for the target the folder must be created. */
  async #rename(
    source: string,
    { file, path, target, version }: Move & { version?: FileVersion | undefined },
  ): Promise<void> {
    try {
      await rename(source, target)
    } catch (cause) {
      if (!isErrno(cause, 'ENOENT', 'ENOTDIR') || (await this.#lookup.isFile(source))) throw cause
      if (version !== undefined) throw await this.#lookup.otherVersion(file, path)
      const { location } = await this.#lookup.partOf(file, path, cause)
      await this.#rename(location, { file, path, target })
    }
  }
}
