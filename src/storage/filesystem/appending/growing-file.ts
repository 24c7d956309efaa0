import { dirname } from 'node:path'
import { StorageError } from '../../../core/errors.ts'
import type { GrowingFile } from '../../../core/storage-driver.ts'
import { close, fdatasync, ftruncate } from '../calls/descriptors.ts'
import type { FileCalls } from '../calls/file-calls.ts'
import { writeError } from '../errno.ts'
import type { Folders } from '../folders.ts'

/** A file of one writer under its plain name. */
export class GrowingDiskFile implements GrowingFile {
  readonly #fd: number
  readonly #calls: FileCalls
  /** The driver's path, for errors. */
  readonly #path: string
  /** Resolves once the file's name is durable. */
  readonly #named: Promise<void>
  #size = 0

  private constructor(
    fd: number,
    { path, named, calls }: { path: string; named: Promise<void>; calls: FileCalls },
  ) {
    this.#fd = fd
    this.#calls = calls
    this.#path = path
    this.#named = named
    named.catch(() => undefined) // waited for by what must be durable
  }

  /** @throws StorageError */
  static async create(
    file: string,
    path: string,
    { folders, calls }: { folders: Folders; calls: FileCalls },
  ): Promise<GrowingDiskFile> {
    try {
      const fd = await folders.within(dirname(file), () => calls.create(file))
      return new GrowingDiskFile(fd, { path, calls, named: folders.secure(dirname(file)) })
    } catch (cause) {
      throw writeError(cause, path)
    }
  }

  async append(content: Uint8Array, { durable }: { readonly durable: boolean }): Promise<Date> {
    try {
      await this.#calls.write(this.#fd, [content], this.#size)
      const { mtime, nlink } = await this.#calls.fstat(this.#fd)
      if (nlink === 0) throw new StorageError('PATH_NOT_FOUND', { path: this.#path })
      if (durable) await Promise.all([fdatasync(this.#fd), this.#named])
      this.#size += content.byteLength
      return mtime
    } catch (cause) {
      await ftruncate(this.#fd, this.#size).catch(() => undefined)
      throw writeError(cause, this.#path)
    }
  }

  async close(): Promise<void> {
    await close(this.#fd)
  }
}
