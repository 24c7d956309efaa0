import * as fs from 'node:fs'
import { mkdir, readdir, rename, rmdir, stat, unlink } from 'node:fs/promises'
import { isErrno } from '../errno.ts'
import { close, fstat, open, withoutFront, writeFully } from './descriptors.ts'
import type { QuickCalls } from './quick-calls.ts'

/** Content that is written at once; more is left to the pool. */
const MAX_QUICK_BYTES = 16 * 1024
/** Files that are removed at once: a file system takes long to free a large one. */
const MAX_REMOVED_BYTES = 1024 * 1024

/** The calls that make, rename, remove and look up names. Each is made synchronously while that is quick,
 *  otherwise in the thread pool. None of them waits for the disk, but one may wait for the file system's
 *  journal: then `QuickCalls` leaves them to the pool for a while. Bytes and syncs always go to the pool.
 *
 *  All throw the errors of the system. */
export class FileCalls {
  readonly #quick: QuickCalls | undefined

  /** @param quick none: all calls go to the pool */
  constructor(quick?: QuickCalls) {
    this.#quick = quick
  }

  /** Opens a new file for writing.
   *  @throws EEXIST if there is one */
  create(path: string): Promise<number> {
    return this.#make(
      () => fs.openSync(path, CREATE),
      () => open(path, CREATE),
    )
  }

  /** Opens an existing file, without waiting for the writer of a pipe.
   *  @param flags of `open(2)` */
  open(path: string, flags: number): Promise<number> {
    const withoutWaiting = flags | fs.constants.O_NONBLOCK
    return this.#make(
      () => fs.openSync(path, withoutWaiting),
      () => open(path, flags),
    )
  }

  /** Closes a file or a folder: a large file that was removed meanwhile is freed now.
   *  @param byteCount size of the file. Default: a small one */
  close(fd: number, byteCount = 0): Promise<void> {
    if (byteCount > MAX_REMOVED_BYTES) return close(fd)
    return this.#make(
      () => fs.closeSync(fd),
      () => close(fd),
    )
  }

  mkdir(path: string): Promise<void> {
    return this.#make(
      () => fs.mkdirSync(path) as undefined,
      () => mkdir(path) as Promise<undefined>,
    )
  }

  /** The target must not be a large file: the file system frees it. */
  rename(from: string, to: string): Promise<void> {
    return this.#make(
      () => fs.renameSync(from, to),
      () => rename(from, to),
    )
  }

  async unlink(path: string): Promise<void> {
    const isLarge = await this.#make(
      () => fs.lstatSync(path).size > MAX_REMOVED_BYTES,
      async () => true,
    )
    if (isLarge) return unlink(path)
    await this.#make(
      () => fs.unlinkSync(path),
      () => unlink(path),
    )
  }

  rmdir(path: string): Promise<void> {
    return this.#make(
      () => fs.rmdirSync(path),
      () => rmdir(path),
    )
  }

  stat(path: string): Promise<fs.Stats> {
    return this.#make(
      () => fs.statSync(path),
      () => stat(path),
    )
  }

  /** The same with whole nanoseconds and large inode numbers. */
  statExactly(path: string): Promise<fs.BigIntStats> {
    return this.#make(
      () => fs.statSync(path, { bigint: true }),
      () => stat(path, { bigint: true }),
    )
  }

  /** What stands at a path, itself not followed if it is a link; undefined if synchronous calls are not allowed. A call
   *  that fails costs several times as much as this question. */
  async peek(path: string): Promise<'file' | 'folder' | 'nothing' | undefined> {
    return this.#make(
      () => kindOf(path),
      async () => undefined,
    )
  }

  /** The names in a folder that is known to be small. */
  readdir(path: string): Promise<string[]> {
    return this.#make(
      () => fs.readdirSync(path),
      () => readdir(path),
    )
  }

  /** Writes the content of a new file. */
  async fill(fd: number, content: Uint8Array): Promise<void> {
    if (content.byteLength > 0) await this.write(fd, [content], 0)
  }

  /** Writes chunks in order from `position`, in the pool unless they are small. */
  async write(fd: number, chunks: Uint8Array[], position: number): Promise<void> {
    let byteCount = 0
    for (const chunk of chunks) byteCount += chunk.byteLength
    if (byteCount > MAX_QUICK_BYTES) return writeFully(fd, chunks, position)
    const written = await this.#make(
      () => fs.writevSync(fd, chunks, position),
      () => writeFully(fd, chunks, position).then(() => byteCount),
    )
    if (written < byteCount) await writeFully(fd, withoutFront(chunks, written), position + written)
  }

  fstat(fd: number): Promise<fs.Stats> {
    return this.#make(
      () => fs.fstatSync(fd),
      () => fstat(fd),
    )
  }

  async #make<Result>(atOnce: () => Result, inPool: () => Promise<Result>): Promise<Result> {
    return this.#quick?.haveTime ? this.#quick.make(atOnce) : inPool()
  }
}

function kindOf(path: string): 'file' | 'folder' | 'nothing' {
  try {
    const stats = fs.lstatSync(path, { throwIfNoEntry: false })
    if (stats === undefined) return 'nothing'
    return stats.isDirectory() ? 'folder' : 'file'
  } catch (cause) {
    if (isErrno(cause, 'ENOTDIR')) return 'nothing'
    throw cause
  }
}

const CREATE = fs.constants.O_WRONLY | fs.constants.O_CREAT | fs.constants.O_EXCL
