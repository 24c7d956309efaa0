import { stat } from 'node:fs/promises'
import { basename, dirname, resolve } from 'node:path'
import { StorageError } from '../core/errors.ts'
import type {
  AppendOptions,
  DeleteOptions,
  Entry,
  Fence,
  FileInfo,
  FileVersion,
  FileWriter,
  GrowingFile,
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
import type { Ingest } from '../lib/ingest/ingest.ts'
import { BufferPool } from './buffer-pool.ts'
import { AppendedFiles } from './filesystem/appending/appended-files.ts'
import { GrowingDiskFile } from './filesystem/appending/growing-file.ts'
import { WriteQueues } from './filesystem/appending/write-queues.ts'
import { AppendingWriter } from './filesystem/appending/writer.ts'
import { open, readBeginning, readFile } from './filesystem/calls/descriptors.ts'
import { FileCalls } from './filesystem/calls/file-calls.ts'
import { QuickCalls, type QuickCallsMode } from './filesystem/calls/quick-calls.ts'
import { copyFile } from './filesystem/copying/copy-file.ts'
import { isErrno, readError, writeError } from './filesystem/errno.ts'
import { Fences } from './filesystem/fences.ts'
import { Folders } from './filesystem/folders.ts'
import { FolderEntries } from './filesystem/listing/folder-entries.ts'
import { Lookup } from './filesystem/lookup.ts'
import { Moves } from './filesystem/moves.ts'
import { NewFiles } from './filesystem/new-files.ts'
import { partOf } from './filesystem/part-name.ts'
import { FileContent } from './filesystem/reader.ts'
import { Removals } from './filesystem/removals.ts'
import { RootFolder } from './filesystem/root-folder.ts'
import { scanTree } from './filesystem/scan.ts'
import { SpareFolders } from './filesystem/spare-folders.ts'
import { States } from './filesystem/states.ts'
import { requireFolder, requirePath } from './path.ts'

export interface FilesystemOptions {
  readonly root: string
  readonly transferMemory?: number
  /** Default: `auto`. */
  readonly quickCalls?: QuickCallsMode
  /** Writes what arrives in its memory. Default: the thread pool does. */
  readonly ingest?: Ingest | undefined
}

const DEFAULT_TRANSFER_MEMORY = 96 * 1024 ** 2
/** Scans take long, and requests are answered between their turns. */
const SCAN_TURN_MS = 1

/** Files in a local folder. A file is written under a temporary name, synced and renamed, so that neither
 *  readers nor a power cut see a part of it. Appended files are the exception: their writer records how far
 *  they are durable. Any number of processes may share the folder: see `AppendedFiles` and `States`. */
export class FilesystemDriver implements StorageDriver {
  readonly name = 'filesystem'
  readonly scansFolders = true
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
  readonly #ingest: Ingest | undefined
  readonly #quick: QuickCalls
  /** Calls that change nothing. */
  readonly #lookups: FileCalls
  readonly #scanCalls: QuickCalls
  readonly #newFiles: NewFiles
  readonly #removals: Removals
  readonly #spares: SpareFolders
  readonly #lookup: Lookup
  readonly #moves: Moves
  readonly #entries: FolderEntries

  /** Creates a driver.
   *  @param options.root created with its parents at the first write
   *  @param options.transferMemory memory of downloads and uploads in bytes, half for each. Default: 96
   *    MiB */
  constructor({
    root,
    transferMemory = DEFAULT_TRANSFER_MEMORY,
    quickCalls = 'auto',
    ingest,
  }: FilesystemOptions) {
    this.#ingest = ingest
    const halfBytes = transferMemory / 2
    this.#buffers = new BufferPool({ maxLentBytes: halfBytes })
    this.#queues = new WriteQueues({ maxBytes: halfBytes })
    const absolute = resolve(root)
    this.#root = absolute === '/' ? '' : absolute
    this.#calls = new FileCalls(new QuickCalls(absolute, quickCalls))
    this.#rootFolder = new RootFolder(absolute, this.#calls)
    this.#folders = new Folders(this.#calls, () => this.#rootFolder.requireSame())
    this.#appended = new AppendedFiles(this.#folders, this.#calls)
    this.#newFiles = new NewFiles(this.#folders, this.#calls)
    this.#spares = new SpareFolders(this.#root, this.#calls)
    this.#removals = new Removals(this.#root, { calls: this.#calls, spares: this.#spares })
    this.#fences = new Fences(this.#root, { folders: this.#folders, calls: this.#calls })
    this.#quick = new QuickCalls(absolute, quickCalls)
    this.#lookups = new FileCalls(this.#quick)
    const stateParts = { folders: this.#folders, lookups: this.#lookups }
    this.#states = new States(stateParts, (file, content) => this.#newFiles.create(file, content))
    this.#scanCalls = new QuickCalls(absolute, quickCalls, SCAN_TURN_MS)
    this.#lookup = new Lookup({
      appended: this.#appended,
      calls: this.#calls,
      quick: this.#quick,
      root: this.#rootFolder,
    })
    this.#moves = new Moves({ folders: this.#folders, calls: this.#calls, lookup: this.#lookup })
    this.#entries = new FolderEntries({
      root: this.#root,
      quick: this.#quick,
      requireRoot: (folder) => this.#lookup.requireRoot(folder),
    })
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
      const stats = await this.#lookups.stat(file)
      if (stats.isFile()) return { kind: 'file', size: stats.size, modifiedAt: stats.mtime }
      if (stats.isDirectory()) return { kind: 'folder' }
    } catch (cause) {
      const { size, modifiedAt } = await this.#lookup.partOf(file, path, cause)
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
      const { location } = await this.#lookup.partOf(file, path, cause)
      return readFile(location).catch((error) => {
        throw readError(error, path)
      })
    }
    throw new StorageError('PATH_NOT_FOUND', { path, message: `not a file: ${path}` })
  }

  read(path: string, options: ReadOptions = {}): AsyncIterable<Uint8Array> {
    const { version } = options
    const openPlain = (file: string) =>
      open(file, 'r').catch(async (cause) =>
        open((await this.#lookup.partOf(file, path, cause)).location, 'r'),
      )
    const openFile = () => {
      const file = this.#locate(path)
      return version === undefined ? openPlain(file) : open(partOf(file, version), 'r')
    }
    return new FileContent({ path, open: openFile, buffers: this.#buffers }, options)
  }

  async put(path: string, content: Uint8Array, options: PutOptions = {}): Promise<void> {
    const { durable = true, after, isNew = false } = options
    after?.catch(() => undefined) // it may fail before it is waited for
    const file = this.#locate(path)
    try {
      if (isNew && !durable && (await this.#spares.take(dirname(file), basename(file), content))) return
      // Retried as a whole if a delete removes the folder and the temporary file with it.
      await this.#folders.within(
        dirname(file),
        () => this.#newFiles.replace(file, { content, durable, after, isNew: isNew && after === undefined }),
        { isProbablyNew: true },
      )
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
        ingest: this.#ingest,
      })
    } catch (cause) {
      throw writeError(cause, path)
    }
  }

  createGrowing(path: string): Promise<GrowingFile> {
    return GrowingDiskFile.create(this.#locate(path), path, { folders: this.#folders, calls: this.#calls })
  }

  list(folder: string, options: ListOptions = {}): AsyncIterable<Entry> {
    return this.#entries.list(folder, options)
  }

  peekList(folder: string, options: ListOptions = {}): Iterable<Entry> | undefined {
    return this.#entries.peek(folder, options)
  }

  async move(from: string, to: string, options: MoveOptions = {}): Promise<boolean> {
    const move = { file: this.#locate(from), path: from, target: this.#locate(to) }
    try {
      return await this.#moves.move(move, options)
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
      throw await this.#lookup.missing(cause, from)
    }
    try {
      if (file !== target) await this.#folders.within(folder, () => copyFile(file, target))
      await this.#folders.secure(folder)
    } catch (cause) {
      throw isErrno(cause, 'ENOENT') ? await this.#lookup.missing(cause, from) : writeError(cause, to)
    }
  }

  async delete(path: string, { durable = true, knownChildren }: DeleteOptions = {}): Promise<void> {
    const file = this.#locate(path)
    try {
      if (knownChildren === undefined) await this.#removals.remove(file)
      else await this.#removals.removeFolder(file, knownChildren)
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
      if (state === undefined) await this.#lookup.requireRoot(path)
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
    const leadsBack = (location: string, name: string) => this.#entries.leadsBack(location, name)
    try {
      yield* scanTree(top, { root: this.#root, leadsBack, quick: this.#scanCalls }, options)
      await this.#lookup.requireRoot(folder)
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

  incompleteUploads(): AsyncIterable<IncompleteUpload> {
    return this.#removals.unfinished()
  }

  async close(): Promise<void> {
    await this.#removals.removeSpares()
  }

  /** Reads a small file synchronously. Undefined if that is not allowed, or the file is larger. */
  async #getAtOnce(file: string): Promise<Buffer | undefined> {
    if (!this.#quick.areAllowed) return undefined
    // Waits a turn of the event loop, so that concurrent readers of the file share one read.
    let turn: Promise<void> | undefined = this.#quick.nextTurn()
    for (; turn !== undefined; turn = this.#quick.untilTurn()) await turn
    const content = this.#quick.make(() => readBeginning(file, MAX_QUICK_BYTES + 1))
    return content.length <= MAX_QUICK_BYTES ? content : undefined
  }

  #locate(path: string): string {
    return this.#root + requirePath(path)
  }

  async #requireWritable(): Promise<void> {
    const root = this.#root || '/'
    try {
      await this.#newFiles.probe(root)
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

/** Size limit of synchronous reads: a link, or a manifest of few layers. */
const MAX_QUICK_BYTES = 4096
