import { statSync } from 'node:fs'
import { dirname } from 'node:path'
import { isPathNotFound, StorageError } from '../../core/errors.ts'
import type { FileVersion } from '../../core/storage-driver.ts'
import type { AppendedFiles, StandingFile } from './appending/appended-files.ts'
import type { FileCalls } from './calls/file-calls.ts'
import type { QuickCalls } from './calls/quick-calls.ts'
import { isErrno, readError } from './errno.ts'
import { partOf } from './part-name.ts'
import type { RootFolder } from './root-folder.ts'

export interface LookupParts {
  readonly appended: AppendedFiles
  readonly calls: FileCalls
  readonly quick: QuickCalls
  readonly root: RootFolder
}

/** Finds out what is there when a call of the system has failed. A path is the driver's, a file the place of it
 *  in the operating system. */
export class Lookup {
  readonly #appended: AppendedFiles
  readonly #calls: FileCalls
  readonly #quick: QuickCalls
  readonly #root: RootFolder

  constructor({ appended, calls, quick, root }: LookupParts) {
    this.#appended = appended
    this.#calls = calls
    this.#quick = quick
    this.#root = root
  }

  /** The bytes of a file that does not exist under its plain name.
   *  @throws StorageError for `cause` if it does not exist at all */
  async partOf(file: string, path: string, cause: unknown): Promise<StandingFile> {
    if (isErrno(cause, 'ENOENT') && this.#isWithoutFolder(file)) throw readError(cause, path)
    const found = isErrno(cause, 'ENOENT') ? await this.#appended.find(file) : undefined
    if (found !== undefined) return found
    throw await this.missing(cause, path)
  }

  /** The error of a failed read. */
  async missing(cause: unknown, path: string): Promise<StorageError> {
    const error = readError(cause, path)
    if (isPathNotFound(error)) await this.requireRoot(path)
    return error
  }

  /** Checks the root before a file is reported as missing.
   *  @throws StorageError BUSY if the root is not the same */
  async requireRoot(path: string): Promise<void> {
    try {
      await this.#root.requireSame()
    } catch (cause) {
      throw readError(cause, path)
    }
  }

  /** @throws StorageError OFFSET_INVALID, PATH_NOT_FOUND if the appended file has not this version */
  async requireVersion(file: string, path: string, version: FileVersion): Promise<void> {
    if (!(await this.isFile(partOf(file, version)))) throw await this.otherVersion(file, path)
  }

  /** The error for an appended file that has not the version asked for. */
  async otherVersion(file: string, path: string): Promise<StorageError> {
    const code = (await this.#appended.find(file)) === undefined ? 'PATH_NOT_FOUND' : 'OFFSET_INVALID'
    return new StorageError(code, { path })
  }

  async isFile(file: string): Promise<boolean> {
    try {
      return (await this.#calls.stat(file)).isFile()
    } catch (cause) {
      if (isErrno(cause, 'ENOENT', 'ENOTDIR')) return false
      throw cause
    }
  }

  /** True if synchronous calls show that the folder of a missing file does not exist either, as that of a link
   *  mostly does not: then the file has no parts. False if they are not allowed, or if the root is another
   *  one. */
  #isWithoutFolder(file: string): boolean {
    if (!this.#quick.areAllowed) return false
    try {
      return this.#quick.make(
        () => statSync(dirname(file), { throwIfNoEntry: false }) === undefined && this.#root.isSameAtOnce(),
      )
    } catch {
      return false
    }
  }
}
