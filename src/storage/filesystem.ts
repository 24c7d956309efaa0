import { randomUUID } from 'node:crypto'
import { type Dirent, statSync } from 'node:fs'
import { readdir, realpath, rename, stat } from 'node:fs/promises'
import { dirname, resolve } from 'node:path'
import { isPathNotFound, StorageError } from '../core/errors.ts'
import type {
  AppendOptions,
  DeleteOptions,
  Entry,
  Fence,
  FileInfo,
  FileVersion,
  FileWriter,
  IncompleteUpload,
  ListOptions,
  MoveOptions,
  PutOptions,
  ReadOptions,
  ScannedFile,
  ScanOptions,
  State,
  StorageDriver,
} from '../core/storage-driver.ts'
import { SPOOL } from '../lib/files/spool-file.ts'
import { BufferPool } from './buffer-pool.ts'
import { AppendedFiles, partsOf, type StandingFile } from './filesystem/appended-files.ts'
import { fdatasync, open, readBeginning, readFile } from './filesystem/calls/descriptors.ts'
import { FileCalls } from './filesystem/calls/file-calls.ts'
import { QuickCalls, type QuickCallsMode } from './filesystem/calls/quick-calls.ts'
import { kindOfChild, kindOfPlain } from './filesystem/child-kind.ts'
import { copyFile } from './filesystem/copying/copy-file.ts'
import { isErrno, readError, writeError } from './filesystem/errno.ts'
import { FENCE, Fences } from './filesystem/fences.ts'
import { Folders, MAX_ATTEMPTS } from './filesystem/folders.ts'
import { type EntrySource, EntrySteps, NO_ENTRIES } from './filesystem/listing/entry-steps.ts'
import { entriesAfter, type Listing } from './filesystem/listing/listing.ts'
import { Listings } from './filesystem/listing/listings.ts'
import { orderedChildren } from './filesystem/ordered-children.ts'
import { partOf, plainName, stateFolderOf } from './filesystem/part-name.ts'
import { FileContent } from './filesystem/reader.ts'
import { RootFolder } from './filesystem/root-folder.ts'
import { scanTree } from './filesystem/scan.ts'
import { States } from './filesystem/states.ts'
import { temporaryFor } from './filesystem/temporary-name.ts'
import { WriteQueues } from './filesystem/write-queues.ts'
import { AppendingWriter } from './filesystem/writer.ts'
import { isName, requireFolder, requirePath } from './path.ts'

export interface FilesystemOptions {
  readonly root: string
  readonly transferMemory?: number
  /** Default: `auto`. */
  readonly quickCalls?: QuickCallsMode
}

const DEFAULT_TRANSFER_MEMORY = 96 * 1024 ** 2
/** Scans take long, and requests are answered between their turns. */
const SCAN_TURN_MS = 1

/** Files in a local folder. A file is written under a temporary name, synced and renamed, so that neither
 *  readers nor a power cut see a part of it. Appended files are the exception: their writer records how far
 *  they are durable. Any number of processes may share the folder: see `AppendedFiles` and `States`. */
export class FilesystemDriver implements StorageDriver {
  readonly name = 'filesystem'
  readonly #root: string
  readonly #rootFolder: RootFolder
  /** Judged apart from the reading: changes wait for the journal, which reads do not. */
  readonly #calls: FileCalls
  readonly #folders: Folders
  readonly #appended: AppendedFiles
  readonly #states: States
  readonly #fences: Fences
  readonly #buffers: BufferPool
  readonly #queues: WriteQueues
  readonly #quick: QuickCalls
  readonly #scanCalls: QuickCalls
  readonly #listings: Listings

  /** Creates a driver.
   *  @param options.root created with its parents at the first write
   *  @param options.transferMemory memory of downloads and uploads in bytes, half for each. Default: 96
   *    MiB */
  constructor({ root, transferMemory = DEFAULT_TRANSFER_MEMORY, quickCalls = 'auto' }: FilesystemOptions) {
    const halfBytes = transferMemory / 2
    this.#buffers = new BufferPool({ maxLentBytes: halfBytes })
    this.#queues = new WriteQueues({ maxBytes: halfBytes })
    const absolute = resolve(root)
    this.#root = absolute === '/' ? '' : absolute
    this.#rootFolder = new RootFolder(absolute)
    this.#calls = new FileCalls(new QuickCalls(absolute, quickCalls))
    this.#folders = new Folders(this.#calls, () => this.#rootFolder.requireSame())
    this.#appended = new AppendedFiles(this.#folders, this.#calls)
    this.#states = new States(this.#folders, (file, content) => this.#writeNew(file, content))
    this.#fences = new Fences(this.#root, { folders: this.#folders, calls: this.#calls })
    this.#quick = new QuickCalls(absolute, quickCalls)
    this.#scanCalls = new QuickCalls(absolute, quickCalls, SCAN_TURN_MS)
    this.#listings = new Listings(this.#quick, (folder, link) => this.#kindOfLink(folder, link))
  }

  /** Opens a driver, after checking that its root is durable and, unless it is read-only, writable. From then
   *  on operations are BUSY if the root is replaced by another folder.
   *  @throws StorageError */
  static async open({
    readOnly = false,
    ...options
  }: FilesystemOptions & { readOnly?: boolean }): Promise<FilesystemDriver> {
    const driver = new FilesystemDriver(options)
    if (!readOnly) await driver.#requireWritable()
    await driver.#rootFolder.remember().catch((cause) => {
      throw readError(cause, '/')
    })
    return driver
  }

  async stat(path: string): Promise<FileInfo> {
    const file = this.#locate(path)
    try {
      const stats = await stat(file)
      if (stats.isFile()) return { kind: 'file', size: stats.size, modifiedAt: stats.mtime }
      if (stats.isDirectory()) return { kind: 'folder' }
    } catch (cause) {
      const { size, modifiedAt } = await this.#partOf(file, path, cause)
      return { kind: 'file', size, modifiedAt }
    }
    throw new StorageError('PATH_NOT_FOUND', { path, message: `neither a file nor a folder: ${path}` })
  }

  async get(path: string): Promise<Uint8Array> {
    const file = this.#locate(path)
    try {
      const content = (await this.#getAtOnce(file)) ?? (await readFile(file))
      // A special file, such as a device, may yield no bytes.
      if (content.length > 0 || (await stat(file)).isFile()) return content
    } catch (cause) {
      const { location } = await this.#partOf(file, path, cause)
      return readFile(location).catch((error) => {
        throw readError(error, path)
      })
    }
    throw new StorageError('PATH_NOT_FOUND', { path, message: `not a file: ${path}` })
  }

  read(path: string, options: ReadOptions = {}): AsyncIterable<Uint8Array> {
    const { version } = options
    const openPlain = (file: string) =>
      open(file, 'r').catch(async (cause) => open((await this.#partOf(file, path, cause)).location, 'r'))
    const openFile = () => {
      const file = this.#locate(path)
      return version === undefined ? openPlain(file) : open(partOf(file, version), 'r')
    }
    return new FileContent({ path, open: openFile, buffers: this.#buffers }, options)
  }

  async put(path: string, content: Uint8Array, { durable = true, after }: PutOptions = {}): Promise<void> {
    const file = this.#locate(path)
    try {
      // Retried as a whole if a delete removes the folder and the temporary file with it.
      await this.#folders.within(dirname(file), () => this.#replace(file, { content, durable, after }))
    } catch (cause) {
      throw writeError(cause, path)
    }
  }

  async append(path: string, options: AppendOptions = {}): Promise<FileWriter> {
    const file = this.#locate(path)
    try {
      const opened = await this.#appended.open(file, path, options)
      return new AppendingWriter(opened, {
        folders: this.#folders,
        calls: this.#calls,
        queues: this.#queues,
      })
    } catch (cause) {
      throw writeError(cause, path)
    }
  }

  list(folder: string, { after = '' }: ListOptions = {}): AsyncIterable<Entry> {
    return { [Symbol.asyncIterator]: () => new EntrySteps(() => this.#openListing(folder, after)) }
  }

  peekList(folder: string, { after = '' }: ListOptions = {}): Iterable<Entry> | undefined {
    try {
      const listing = this.#listings.peek(this.#root + requireFolder(folder) || '/')
      return listing && entriesAfter(listing, after)
    } catch {
      return undefined
    }
  }

  /** Syncs only the target's folder. File systems record both halves of a rename together; otherwise a power
   *  cut can at worst bring back a second name of the same bytes. */
  async move(from: string, to: string, { replace = true, version }: MoveOptions = {}): Promise<boolean> {
    const file = this.#locate(from)
    const target = this.#locate(to)
    const folder = dirname(target)
    try {
      if (!replace && (await this.#isFile(target))) {
        if (version !== undefined) await this.#requireVersion(file, from, version)
        return false
      }
      const source = version === undefined ? file : partOf(file, version)
      await this.#folders.within(folder, () => this.#rename(source, { target, file, from, version }))
      await this.#folders.secure(folder)
      return true
    } catch (cause) {
      throw writeError(cause, to)
    }
  }

  async copy(from: string, to: string): Promise<void> {
    const file = this.#locate(from)
    const target = this.#locate(to)
    const folder = dirname(target)
    try {
      await stat(file)
    } catch (cause) {
      throw await this.#missing(cause, from)
    }
    try {
      if (file !== target) await this.#folders.within(folder, () => copyFile(file, target))
      await this.#folders.secure(folder)
    } catch (cause) {
      throw isErrno(cause, 'ENOENT') ? await this.#missing(cause, from) : writeError(cause, to)
    }
  }

  async delete(path: string, { durable = true }: DeleteOptions = {}): Promise<void> {
    const file = this.#locate(path)
    try {
      if (!(await this.#remove(file))) await this.#removeKept(file)
      if (durable) await this.#folders.sync(dirname(file))
    } catch (cause) {
      throw writeError(cause, path)
    }
  }

  async settle(path: string): Promise<void> {
    const file = this.#locate(path)
    try {
      await this.#folders.secure(dirname(file))
    } catch (cause) {
      throw writeError(cause, path)
    }
  }

  async getState(path: string): Promise<State | undefined> {
    const file = this.#locate(path)
    try {
      const state = await this.#states.get(file)
      if (state === undefined) await this.#requireRoot(path)
      return state
    } catch (cause) {
      throw readError(cause, path)
    }
  }

  async swapState(
    path: string,
    content: Uint8Array,
    expected: FileVersion | undefined,
  ): Promise<FileVersion | undefined> {
    const file = this.#locate(path)
    try {
      return await this.#states.swap(file, content, expected)
    } catch (cause) {
      throw writeError(cause, path)
    }
  }

  async *scan(folder: string, options: ScanOptions = {}): AsyncIterable<readonly ScannedFile[]> {
    const top = requireFolder(folder)
    const leadsBack = (location: string, name: string) => this.#leadsBack(location, name)
    try {
      yield* scanTree(top, { root: this.#root, leadsBack, quick: this.#scanCalls }, options)
      await this.#requireRoot(folder)
    } catch (cause) {
      throw cause instanceof StorageError ? cause : readError(cause, folder)
    }
  }

  async openFence(): Promise<Fence> {
    try {
      return await this.#fences.open()
    } catch (cause) {
      throw writeError(cause, '/')
    }
  }

  async deleteFenced(paths: readonly string[], fence: Fence): Promise<void> {
    const files = paths.map((path) => this.#locate(path))
    try {
      await this.#fences.delete(files, fence)
    } catch (cause) {
      throw writeError(cause, paths[0] ?? '/')
    }
  }

  async closeFence(fence: Fence): Promise<void> {
    try {
      await this.#fences.close(fence)
    } catch (cause) {
      throw writeError(cause, '/')
    }
  }

  async redirectUrl(path: string): Promise<undefined> {
    this.#locate(path)
  }

  /** Folders that were set aside for removal, and spool files, of processes that have ended before they removed
   *  them. */
  async *incompleteUploads(): AsyncIterable<IncompleteUpload> {
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

  async close(): Promise<void> {}

  /** Reads a small file synchronously. Undefined if that is not allowed, or the file is larger. */
  async #getAtOnce(file: string): Promise<Buffer | undefined> {
    if (!this.#quick.areAllowed) return undefined
    // Waits a turn of the event loop, so that concurrent readers of the file share one read.
    let turn: Promise<void> | undefined = this.#quick.nextTurn()
    for (; turn !== undefined; turn = this.#quick.untilTurn()) await turn
    const content = this.#quick.make(() => readBeginning(file, MAX_QUICK_BYTES + 1))
    return content.length <= MAX_QUICK_BYTES ? content : undefined
  }

  #openListing(folder: string, after: string): EntrySource | Promise<EntrySource> {
    const steps = (listing: Listing | undefined) =>
      listing === undefined ? this.#inTurn(folder, after) : entriesAfter(listing, after)
    try {
      const location = this.#root + requireFolder(folder) || '/'
      const listing = this.#listings.get(location)
      if (!(listing instanceof Promise)) return steps(listing)
      return listing.then(steps, (cause) => this.#withoutFolder(cause, folder))
    } catch (cause) {
      return this.#withoutFolder(cause, folder)
    }
  }

  /** The entries of a folder with too many to hold. */
  async *#inTurn(folder: string, after: string): AsyncGenerator<Entry, undefined> {
    const location = this.#root + folder
    try {
      let last: string | undefined
      const options = { after, isWanted: isName, nameOf: plainName }
      for await (const { name, entry } of orderedChildren(location, options)) {
        const kind = entry.isSymbolicLink() ? await this.#kindOfLink(location, entry) : kindOfPlain(entry)
        if (kind === undefined || name === last) continue
        last = name
        yield { name, kind }
      }
    } catch (cause) {
      await this.#withoutFolder(cause, folder)
    }
  }

  /** A missing folder is empty. */
  async #withoutFolder(cause: unknown, folder: string): Promise<EntrySource> {
    const error = cause instanceof StorageError ? cause : readError(cause, folder)
    if (!isPathNotFound(error)) throw error
    await this.#requireRoot(folder)
    return NO_ENTRIES
  }

  /** The kind of a symbolic link's target. Undefined if it leads nowhere, or to a folder that contains it. */
  async #kindOfLink(location: string, link: Dirent): Promise<Entry['kind'] | undefined> {
    const kind = await kindOfChild(link)
    return kind === 'folder' && (await this.#leadsBack(location, link.name)) ? undefined : kind
  }

  /** True if the link leads to a folder that contains it, by whatever links: it would be listed without
   *  end. */
  async #leadsBack(location: string, name: string): Promise<boolean> {
    const target = await realpath(`${location}/${name}`)
    for (let above = location; above.length >= this.#root.length && above !== '/'; above = dirname(above)) {
      const real = await realpath(above)
      if (real === target || real.startsWith(`${target}/`)) return true
    }
    return false
  }

  #locate(path: string): string {
    return this.#root + requirePath(path)
  }

  /** Writes the content, then its name. Meanwhile the folders above are made durable. */
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
    const fd = await this.#calls.create(temporary)
    const aboveNew = durable ? this.#folders.syncAboveNew(folder) : undefined
    try {
      await this.#fillAndClose(fd, { content, durable })
      await after
      await this.#calls.rename(temporary, file)
    } catch (cause) {
      await this.#calls.unlink(temporary).catch(() => undefined)
      throw cause
    }
    if (durable) await this.#folders.secure(folder, aboveNew)
  }

  /** The bytes of a file that does not exist under its plain name.
   *  @throws StorageError for `cause` if it does not exist at all */
  async #partOf(file: string, path: string, cause: unknown): Promise<StandingFile> {
    if (isErrno(cause, 'ENOENT') && this.#isWithoutFolder(file)) throw readError(cause, path)
    const found = isErrno(cause, 'ENOENT') ? await this.#appended.find(file) : undefined
    if (found !== undefined) return found
    throw await this.#missing(cause, path)
  }

  /** The error of a failed read. */
  async #missing(cause: unknown, path: string): Promise<StorageError> {
    const error = readError(cause, path)
    if (isPathNotFound(error)) await this.#requireRoot(path)
    return error
  }

  /** True if synchronous calls show that the folder of a missing file does not exist either, as that of a link mostly does not: then
   *  the file has no parts. False if they are not allowed, or if the root is another one. */
  #isWithoutFolder(file: string): boolean {
    if (!this.#quick.areAllowed) return false
    try {
      return this.#quick.make(
        () =>
          statSync(dirname(file), { throwIfNoEntry: false }) === undefined && this.#rootFolder.isSameAtOnce(),
      )
    } catch {
      return false
    }
  }

  /** Checks the root before a file is reported as missing.
   *  @throws StorageError BUSY if the root is not the same */
  async #requireRoot(path: string): Promise<void> {
    try {
      await this.#rootFolder.requireSame()
    } catch (cause) {
      throw readError(cause, path)
    }
  }

  /** Removes a file or folder. Node's `rm` needs twice as many trips to the thread pool, and every upload
   *  ends with a removal.
   *  @returns false if it did not exist */
  async #remove(path: string): Promise<boolean> {
    try {
      await this.#calls.unlink(path)
    } catch (cause) {
      if (isErrno(cause, 'ENOENT', 'ENOTDIR')) return false
      // Linux answers EISDIR for a folder, POSIX and others EPERM.
      if (!isErrno(cause, 'EISDIR', 'EPERM')) throw cause
      await this.#removeFolder(path, cause)
    }
    return true
  }

  /** Removes what belongs to a file under other names: its state or its parts. */
  async #removeKept(file: string): Promise<void> {
    await this.#remove(stateFolderOf(file))
    for (const location of await partsOf(file)) await this.#remove(location)
  }

  /** Removes a folder. It is first renamed out of reach, because other processes may go on to create files in
   *  it. */
  async #removeFolder(folder: string, unlinked: unknown): Promise<void> {
    let location = folder
    for (let attempt = 1; ; attempt++) {
      try {
        const names = await this.#calls.readdir(location)
        await Promise.all(names.map((name) => this.#remove(`${location}/${name}`)))
        return await this.#calls.rmdir(location)
      } catch (cause) {
        if (isErrno(cause, 'ENOENT')) return
        if (isErrno(cause, 'ENOTDIR')) throw unlinked
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

  async #requireVersion(file: string, path: string, version: FileVersion): Promise<void> {
    if (!(await this.#isFile(partOf(file, version)))) throw await this.#otherVersion(file, path)
  }

  /** Renames a file, in the pool, because the target may be a large one that is replaced. ENOENT can mean
   *  either path; only for the target the folder must be created. */
  async #rename(
    source: string,
    { target, file, from, version }: { target: string; file: string; from: string; version?: FileVersion },
  ): Promise<void> {
    try {
      await rename(source, target)
    } catch (cause) {
      if (!isErrno(cause, 'ENOENT', 'ENOTDIR') || (await this.#isFile(source))) throw cause
      if (version !== undefined) throw await this.#otherVersion(file, from)
      const { location } = await this.#partOf(file, from, cause)
      await this.#rename(location, { target, file, from })
    }
  }

  async #otherVersion(file: string, path: string): Promise<StorageError> {
    const code = (await this.#appended.find(file)) === undefined ? 'PATH_NOT_FOUND' : 'OFFSET_INVALID'
    return new StorageError(code, { path })
  }

  async #requireWritable(): Promise<void> {
    const root = this.#root || '/'
    const probe = temporaryFor(`${this.#root}/probe`)
    try {
      await this.#calls.close(await this.#folders.within(root, () => this.#calls.create(probe)))
      await this.#calls.unlink(probe)
      await this.#folders.secure(root)
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

  async #isFile(path: string): Promise<boolean> {
    try {
      return (await this.#calls.stat(path)).isFile()
    } catch (cause) {
      if (isErrno(cause, 'ENOENT', 'ENOTDIR')) return false
      throw cause
    }
  }

  /** Writes a new file with durable content; its name is not durable yet. */
  async #writeNew(file: string, content: Uint8Array): Promise<void> {
    await this.#fillAndClose(await this.#calls.create(file), { content, durable: true })
  }

  async #fillAndClose(
    fd: number,
    { content, durable }: { content: Uint8Array; durable: boolean },
  ): Promise<void> {
    try {
      await this.#calls.fill(fd, content)
      if (durable) await fdatasync(fd)
    } finally {
      await this.#calls.close(fd)
    }
  }
}

/** Size limit of synchronous reads: a link, or a manifest of few layers. */
const MAX_QUICK_BYTES = 4096

/** Prefix of folders that are being removed. No path can contain it. */
const ASIDE = '~removed.'
