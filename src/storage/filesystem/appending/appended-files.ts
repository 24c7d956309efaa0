import { constants } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { basename, dirname } from 'node:path'
import { StorageError } from '../../../core/errors.ts'
import type { AppendOptions, FileVersion } from '../../../core/storage-driver.ts'
import { close, fdatasync, fstat, open, readFully, writeFully } from '../calls/descriptors.ts'
import type { FileCalls } from '../calls/file-calls.ts'
import { isErrno } from '../errno.ts'
import type { Folders } from '../folders.ts'
import { newVersion, parsePart, partOf } from '../part-name.ts'

/** A file opened for appending, owned by its writer. */
export interface FileToAppend {
  readonly fd: number
  /** The driver's path, for errors. */
  readonly path: string
  /** The folder, as a path of the operating system. */
  readonly folder: string
  /** The file's own path: a name that only its writer uses. */
  readonly location: string
  readonly size: number
  /** Bytes at its beginning that are durable. */
  readonly syncedSize: number
  readonly version: FileVersion
  /** Undefined if no other file can exist under the plain name. Otherwise it must be called before bytes are
   *  acknowledged.
   *  @throws StorageError OFFSET_INVALID if one exists; this file is removed then */
  readonly requireAlone?: () => Promise<void>
}

/** The place of a file's bytes: under its plain name, or in a part. */
export interface StandingFile {
  readonly location: string
  readonly size: number
  readonly modifiedAt: Date
}

const COPY_BYTES = 1024 * 1024

/** Files that are appended to by any number of processes without locks: each writer owns a file.
 *
 *  A writer creates a file, or takes over that of the previous writer by renaming it. A rename succeeds for
 *  one process only, and processes that know the old version no longer find the file. So no process has a
 *  file open for writing under a name that another process uses. A file of an unknown writer, after a crash
 *  or from another registry, is copied, because its writer may still have it open. */
export class AppendedFiles {
  readonly #folders: Folders
  readonly #calls: FileCalls

  constructor(folders: Folders, calls: FileCalls) {
    this.#folders = folders
    this.#calls = calls
  }

  /** Opens a file for appending.
   *  @param file its plain path in the operating system
   *  @throws StorageError OFFSET_INVALID; errors of the system */
  async open(file: string, path: string, { offset, version, takes }: AppendOptions): Promise<FileToAppend> {
    if (version !== undefined) return this.#goOn(file, path, { offset, version })
    // A new file mostly does not exist: that is checked while it is written.
    if (offset === 0) return (takes && (await this.#take(takes, file, path))) || this.#begin(file, path)
    const standing = await this.find(file)
    if ((offset ?? standing?.size ?? 0) !== (standing?.size ?? 0)) throw otherFile(path)
    return standing === undefined ? this.#begin(file, path) : this.#takeOver(file, path, standing)
  }

  /** The file under its plain name, otherwise its longest part. */
  async find(file: string): Promise<StandingFile | undefined> {
    let longest: StandingFile | undefined
    for (const location of [file, ...(await partsOf(file))]) {
      const standing = await this.#fileAt(location)
      if (standing !== undefined && location === file) return standing
      if (standing !== undefined && standing.size >= (longest?.size ?? 0)) longest = standing
    }
    return longest
  }

  async #begin(file: string, path: string): Promise<FileToAppend> {
    const folder = dirname(file)
    const version = newVersion()
    const location = partOf(file, version)
    const fd = await this.#folders.within(folder, () => this.#calls.create(location))
    const requireAlone = this.#aloneAt(location, file, path)
    return { fd, path, folder, location, size: 0, syncedSize: 0, version, requireAlone }
  }

  /** Renames a finished file to a new part. Undefined if it is on another file system. */
  async #take(taken: string, file: string, path: string): Promise<FileToAppend | undefined> {
    const folder = dirname(file)
    const version = newVersion()
    const location = partOf(file, version)
    try {
      await this.#folders.within(folder, () => this.#calls.rename(taken, location))
    } catch (cause) {
      if (isErrno(cause, 'EXDEV')) return undefined
      throw cause
    }
    const fd = await this.#calls.open(location, constants.O_WRONLY)
    const { size } = await fstat(fd)
    const requireAlone = this.#aloneAt(location, file, path)
    return { fd, path, folder, location, size, syncedSize: 0, version, requireAlone }
  }

  /** The check of a new file: see `FileToAppend.requireAlone`. */
  #aloneAt(location: string, file: string, path: string): () => Promise<void> {
    const refuse = async (cause: unknown) => {
      if (cause !== OTHER && !(cause instanceof StorageError)) throw cause
      await this.#calls.unlink(location).catch(unlessGone) // the other may have removed it, while it was empty
      throw cause === OTHER ? otherFile(path) : cause
    }
    return () => this.#removeEmpty(file, location).catch(refuse)
  }

  async #goOn(
    file: string,
    path: string,
    { offset, version }: { offset: number | undefined; version: FileVersion },
  ): Promise<FileToAppend> {
    const next = newVersion()
    const location = partOf(file, next)
    // It can be removed before and after its rename.
    const fd = await this.#calls
      .rename(partOf(file, version), location)
      .then(() => this.#calls.open(location, constants.O_WRONLY))
      .catch((cause) => {
        throw isErrno(cause, 'ENOENT', 'ENOTDIR') ? otherFile(path) : cause
      })
    const { size } = await fstat(fd)
    if (offset === undefined || offset === size)
      return { fd, path, folder: dirname(file), location, size, syncedSize: size, version: next }
    await close(fd)
    throw otherFile(path)
  }

  /** Copies a file. The copy is durable before the original is removed, which decides between writers: the
   *  previous one finds its name gone, and another process that finds it gone here has lost. */
  async #takeOver(file: string, path: string, standing: StandingFile): Promise<FileToAppend> {
    const folder = dirname(file)
    const version = newVersion()
    const location = partOf(file, version)
    const fd = await this.#calls.create(location).catch((cause) => {
      throw isErrno(cause, 'ENOENT') ? otherFile(path) : cause // the folder was removed
    })
    try {
      await copyBytes(standing, fd)
      await fdatasync(fd)
      await this.#folders.secure(folder)
      await this.#calls.unlink(standing.location)
    } catch (cause) {
      await close(fd)
      await this.#calls.unlink(location).catch(() => undefined)
      throw isErrno(cause, 'ENOENT') || cause === OTHER ? otherFile(path) : cause
    }
    const { size } = standing
    return { fd, path, folder, location, size, syncedSize: size, version }
  }

  /** Removes other files of this name if they are empty: no bytes of them were acknowledged.
   *  @throws OTHER if they are not */
  async #removeEmpty(file: string, own: string): Promise<void> {
    for (const location of await namesOf(file, (folder) => this.#calls.readdir(folder))) {
      const standing = location === own ? undefined : await this.#fileAt(location)
      if (standing === undefined) continue
      if (standing.size > 0) throw OTHER
      await this.#removeIfEmpty(location, partOf(file, newVersion()))
    }
  }

  /** Removes a file if it is empty. A writer acknowledges nothing once its file has lost its name, which it
   *  checks after writing. So the file is renamed first: if it is still empty it can be removed, otherwise it
   *  gets its name back.
   *  @throws OTHER if it is not empty */
  async #removeIfEmpty(location: string, elsewhere: string): Promise<void> {
    try {
      await this.#calls.rename(location, elsewhere)
      if ((await this.#fileAt(elsewhere))?.size === 0) {
        await this.#calls.unlink(elsewhere)
        return
      }
      await this.#calls.rename(elsewhere, location)
    } catch (cause) {
      unlessGone(cause)
      return
    }
    throw OTHER
  }

  async #fileAt(location: string): Promise<StandingFile | undefined> {
    let fd: number
    try {
      fd = await this.#calls.open(location, constants.O_RDONLY)
    } catch (cause) {
      if (isErrno(cause, 'ENOENT', 'ENOTDIR')) return undefined
      throw cause
    }
    try {
      const stats = await fstat(fd)
      if (stats.isDirectory()) throw new StorageError('PATH_INVALID', { path: location })
      return stats.isFile() ? { location, size: stats.size, modifiedAt: stats.mtime } : undefined
    } finally {
      await this.#calls.close(fd)
    }
  }
}

/** Thrown internally, where the path is unknown. */
const OTHER = new Error('another file stands there')

function otherFile(path: string): StorageError {
  return new StorageError('OFFSET_INVALID', { path })
}

/** The paths of a file's parts. */
export async function partsOf(file: string): Promise<string[]> {
  return (await namesOf(file, readdir)).filter((location) => location !== file)
}

/** The paths under which a file stands: its plain one, if it does, and those of its parts.
 *  @param namesIn reads its folder */
async function namesOf(file: string, namesIn: (folder: string) => Promise<string[]>): Promise<string[]> {
  const [folder, plain] = [dirname(file), basename(file)]
  try {
    const names = await namesIn(folder)
    const isOne = (name: string) => name === plain || parsePart(name)?.name === plain
    return names.filter(isOne).map((name) => `${folder}/${name}`)
  } catch (cause) {
    if (isErrno(cause, 'ENOENT', 'ENOTDIR')) return []
    throw cause
  }
}

function unlessGone(cause: unknown): void {
  if (!isErrno(cause, 'ENOENT')) throw cause
}

/** Copies the bytes that the file had when it was inspected. */
async function copyBytes({ location, size }: StandingFile, target: number): Promise<void> {
  const source = await open(location, constants.O_RDONLY)
  try {
    const buffer = Buffer.allocUnsafe(Math.min(COPY_BYTES, size))
    for (let position = 0; position < size; ) {
      const length = Math.min(buffer.length, size - position)
      if ((await readFully(source, { buffer, length, position })) < length) throw OTHER
      await writeFully(target, [buffer.subarray(0, length)], position)
      position += length
    }
  } finally {
    await close(source)
  }
}
