import { randomUUID } from 'node:crypto'
import * as fs from 'node:fs'
import { readdir, rename, rmdir, stat, unlink } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { isPathNotFound, StorageError } from '../core/errors.ts'
import type {
  AppendOptions,
  DeleteOptions,
  Entry,
  FileInfo,
  FileWriter,
  Leftover,
  ListOptions,
  MoveOptions,
  PutOptions,
  ReadOptions,
  StorageDriver,
} from '../core/storage-driver.ts'
import { BufferPool } from './buffer-pool.ts'
import { close, fdatasync, fstat, open, readFile, writeFully } from './filesystem/descriptors.ts'
import { isErrno, readError, writeError } from './filesystem/errno.ts'
import { Folders, MAX_ATTEMPTS } from './filesystem/folders.ts'
import { childrenAtOnce, orderedChildren } from './filesystem/ordered-children.ts'
import { FileContent } from './filesystem/reader.ts'
import { isTemporary, temporaryFor } from './filesystem/temporary-name.ts'
import { AppendingWriter } from './filesystem/writer.ts'
import { isName, requireFolder, requirePath } from './path.ts'

/** Files in a folder of the machine. A file appears by being renamed into place, content first and name second, so
 *  that no reader and no power cut ever sees a part of one; what is appended to is the exception, and its writer says
 *  up to where it is safe. */
export class FilesystemDriver implements StorageDriver {
  readonly name = 'filesystem'
  readonly #root: string
  readonly #folders = new Folders()
  readonly #buffers = new BufferPool()

  /** @param options.root made, with the folders above it, when it is first written to */
  constructor({ root }: { root: string }) {
    const absolute = resolve(root)
    this.#root = absolute === '/' ? '' : absolute
  }

  /** A driver whose root is known to stand durably and to take files.
   *  @throws StorageError */
  static async open({ root }: { root: string }): Promise<FilesystemDriver> {
    const driver = new FilesystemDriver({ root })
    await driver.#requireWritable()
    return driver
  }

  async stat(path: string): Promise<FileInfo> {
    const file = this.#locate(path)
    try {
      const stats = await stat(file)
      if (stats.isFile()) return { kind: 'file', size: stats.size, modifiedAt: stats.mtime }
      if (stats.isDirectory()) return { kind: 'folder' }
    } catch (cause) {
      throw readError(cause, path)
    }
    throw new StorageError('PATH_NOT_FOUND', { path, message: `neither a file nor a folder: ${path}` })
  }

  async get(path: string): Promise<Uint8Array> {
    const file = this.#locate(path)
    try {
      const content = await readFile(file)
      // What is no file reads as an empty one, if it can be read at all.
      if (content.length > 0 || (await stat(file)).isFile()) return content
    } catch (cause) {
      throw readError(cause, path)
    }
    throw new StorageError('PATH_NOT_FOUND', { path, message: `not a file: ${path}` })
  }

  read(path: string, options: ReadOptions = {}): AsyncIterable<Uint8Array> {
    return new FileContent({ path, locate: () => this.#locate(path), buffers: this.#buffers }, options)
  }

  async put(path: string, content: Uint8Array, { durable = true, after }: PutOptions = {}): Promise<void> {
    const file = this.#locate(path)
    try {
      // Begun again as a whole where a delete takes the folder away, and the temporary file with it.
      await this.#folders.within(dirname(file), () => this.#replace(file, { content, durable, after }))
    } catch (cause) {
      throw writeError(cause, path)
    }
  }

  async append(path: string, { offset }: AppendOptions = {}): Promise<FileWriter> {
    const file = this.#locate(path)
    const folder = dirname(file)
    try {
      const opened =
        offset === undefined || offset === 0
          ? await this.#folders.within(folder, () => openSized(file, WRITE_OR_MAKE))
          : await openSized(file, fs.constants.O_WRONLY)
      if (offset === undefined || offset === opened.size) {
        return new AppendingWriter({ ...opened, path, folder }, this.#folders)
      }
      await close(opened.fd)
    } catch (cause) {
      if (offset === undefined || offset === 0 || !isErrno(cause, 'ENOENT')) throw writeError(cause, path)
    }
    throw new StorageError('OFFSET_INVALID', { path })
  }

  async *list(folder: string, { after = '', atOnce = false }: ListOptions = {}): AsyncIterable<Entry> {
    const location = this.#root + requireFolder(folder) || '/'
    const read = atOnce ? childrenAtOnce : orderedChildren
    try {
      for await (const entry of read(location, { after, isWanted: isName })) {
        const kind = entry.isSymbolicLink() ? await kindBehind(entry) : kindOf(entry)
        if (kind === undefined || (kind === 'file' && isTemporary(entry.name))) continue
        yield { name: entry.name, kind }
      }
    } catch (cause) {
      const error = cause instanceof StorageError ? cause : readError(cause, folder)
      if (!isPathNotFound(error)) throw error
    }
  }

  /** Only the folder it comes to is synced. File systems record both halves of a rename as one; and where one does
   *  not, what a power cut can bring back is a second name for the same bytes. */
  async move(from: string, to: string, { replace = true, size }: MoveOptions = {}): Promise<boolean> {
    const source = this.#locate(from)
    const target = this.#locate(to)
    const folder = dirname(target)
    try {
      const [isTaken] = await Promise.all([
        !replace && isFile(target),
        size !== undefined && this.#requireSize(from, size),
      ])
      if (isTaken) return false
      await this.#folders.within(folder, () => this.#rename(source, { target, from }))
      await Promise.all([this.#folders.sync(folder), this.#folders.settle(folder)])
      return true
    } catch (cause) {
      throw writeError(cause, to)
    }
  }

  async delete(path: string, { durable = true }: DeleteOptions = {}): Promise<void> {
    const file = this.#locate(path)
    try {
      await this.#remove(file)
      if (durable) await this.#folders.sync(dirname(file))
    } catch (cause) {
      throw writeError(cause, path)
    }
  }

  async redirectUrl(path: string): Promise<undefined> {
    this.#locate(path)
  }

  async *leftovers(): AsyncIterable<Leftover> {}

  async close(): Promise<void> {}

  #locate(path: string): string {
    return this.#root + requirePath(path)
  }

  /** Content first, name second. The folders above are made durable meanwhile. */
  async #replace(
    file: string,
    {
      content,
      durable,
      after,
    }: { content: Uint8Array; durable: boolean; after: Promise<unknown> | undefined },
  ): Promise<void> {
    const folder = dirname(file)
    const temporary = temporaryFor(file)
    after?.catch(() => undefined) // it may fail before it is waited for
    const fd = await open(temporary, 'wx')
    const settled = durable ? this.#folders.settle(folder) : undefined
    settled?.catch(() => undefined)
    try {
      await fillAndClose(fd, { content, durable })
      await after
      await rename(temporary, file)
    } catch (cause) {
      await unlink(temporary).catch(() => undefined)
      throw cause
    }
    if (durable) await Promise.all([settled, this.#folders.sync(folder)])
  }

  /** Node's own `rm` makes twice as many trips to the thread pool, and every upload ends with a folder to remove. */
  async #remove(path: string): Promise<void> {
    try {
      await unlink(path)
    } catch (cause) {
      if (isErrno(cause, 'ENOENT', 'ENOTDIR')) return
      // Linux says EISDIR of a folder, POSIX and others EPERM.
      if (!isErrno(cause, 'EISDIR', 'EPERM')) throw cause
      await this.#removeFolder(path, cause)
    }
  }

  /** Where files are put into the folder while it is emptied, emptying it again could go on for ever: it is first moved
   *  to where nobody finds it. */
  async #removeFolder(folder: string, unlinked: unknown): Promise<void> {
    let location = folder
    for (let attempt = 1; ; attempt++) {
      try {
        const names = await readdir(location)
        await Promise.all(names.map((name) => this.#remove(`${location}/${name}`)))
        return await rmdir(location)
      } catch (cause) {
        if (isErrno(cause, 'ENOENT')) return
        if (isErrno(cause, 'ENOTDIR')) throw unlinked
        if (!isErrno(cause, 'ENOTEMPTY') || attempt === MAX_ATTEMPTS) throw cause
      }
      if (location === folder) location = await this.#setAside(folder)
    }
  }

  /** Right below the root no registry looks, and no path can name it. */
  async #setAside(folder: string): Promise<string> {
    const aside = `${this.#root}/~removed.${randomUUID()}`
    try {
      await rename(folder, aside)
    } catch (cause) {
      if (!isErrno(cause, 'ENOENT')) throw cause // somebody else removed it
    }
    return aside
  }

  async #requireSize(path: string, size: number): Promise<void> {
    const info = await this.stat(path)
    if (info.kind !== 'file') throw new StorageError('PATH_NOT_FOUND', { path })
    if (info.size !== size) throw new StorageError('OFFSET_INVALID', { path })
  }

  /** A rename says ENOENT for either path; which one is missing decides whether to make a folder. */
  async #rename(source: string, { target, from }: { target: string; from: string }): Promise<void> {
    try {
      await rename(source, target)
    } catch (cause) {
      if (isErrno(cause, 'ENOENT', 'ENOTDIR')) await this.stat(from)
      throw cause
    }
  }

  async #requireWritable(): Promise<void> {
    const root = this.#root || '/'
    const probe = temporaryFor(`${this.#root}/probe`)
    try {
      await close(await this.#folders.within(root, () => open(probe, 'wx')))
      await unlink(probe)
      await Promise.all([this.#folders.sync(root), this.#folders.settle(root)])
    } catch (cause) {
      const { code } = writeError(cause, '/')
      const reason = cause instanceof Error ? cause.message : String(cause)
      throw new StorageError(code, {
        path: '/',
        message: `cannot write to the folder ${root}: ${reason}`,
        cause,
      })
    }
  }
}

const WRITE_OR_MAKE = fs.constants.O_WRONLY | fs.constants.O_CREAT

async function openSized(file: string, flags: number): Promise<{ fd: number; size: number }> {
  const fd = await open(file, flags)
  try {
    const { size } = await fstat(fd)
    return { fd, size }
  } catch (cause) {
    await close(fd)
    throw cause
  }
}

async function isFile(path: string): Promise<boolean> {
  try {
    return (await stat(path)).isFile()
  } catch (cause) {
    if (isErrno(cause, 'ENOENT', 'ENOTDIR')) return false
    throw cause
  }
}

async function fillAndClose(
  fd: number,
  { content, durable }: { content: Uint8Array; durable: boolean },
): Promise<void> {
  try {
    if (content.byteLength > 0) await writeFully(fd, [content], 0)
    if (durable) await fdatasync(fd)
  } finally {
    await close(fd)
  }
}

/** Undefined for what is neither, such as a socket. */
function kindOf(entry: Pick<fs.Dirent, 'isFile' | 'isDirectory'>): Entry['kind'] | undefined {
  if (entry.isFile()) return 'file'
  return entry.isDirectory() ? 'folder' : undefined
}

/** Undefined for a link that leads nowhere, or to what is neither. */
async function kindBehind(link: fs.Dirent): Promise<Entry['kind'] | undefined> {
  try {
    return kindOf(await stat(`${link.parentPath}/${link.name}`))
  } catch (cause) {
    if (isErrno(cause, 'ENOENT', 'ENOTDIR', 'ELOOP')) return undefined
    throw readError(cause, link.name)
  }
}
