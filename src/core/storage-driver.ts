/** The port to storage: bytes under paths, on a disk, in memory or in a bucket.
 *
 *  A path is `(/[A-Za-z0-9._-]+)+` without the components `.` and `..`, relative to the driver's root. A
 *  folder exists while a file exists below it; on a disk an empty folder may remain. Every method throws
 *  `StorageError` only. Every driver passes the tests in `test/contract/storage-driver.ts`. */
export interface StorageDriver {
  /** Its name in the configuration: `filesystem`, `inmemory`, … */
  readonly name: string
  /** True if `scan` reads each folder by itself: it asks `enters` once for each folder, and obeys. False if it
   *  lists all files in any case, and does not ask. */
  readonly scansFolders: boolean

  /** Size and modification time of a file, or `folder`.
   *  @throws StorageError PATH_NOT_FOUND */
  stat(path: string): Promise<FileInfo>

  /** The content of a small file, such as a link or a manifest.
   *  @throws StorageError PATH_NOT_FOUND */
  get(path: string): Promise<Uint8Array>

  /** The bytes of a file, or of a range, in order. The file is opened by the first step of the iteration,
   *  which throws if that fails. Ending the iteration early releases the file.
   *
   *  **A chunk is valid only until the next one is requested**: drivers reuse their buffers.
   *  @throws StorageError PATH_NOT_FOUND; OFFSET_INVALID if the range is not wholly inside the file */
  read(path: string, options?: ReadOptions): AsyncIterable<Uint8Array>

  /** Writes a small file atomically: a reader sees the old content or the new. Unless `durable` is false, the
   *  content survives a power cut once the promise resolves. */
  put(path: string, content: Uint8Array, options?: PutOptions): Promise<void>

  /** Opens a file for appending, and creates it if it is absent. Of several writers that start from the same
   *  bytes, in any processes, at most one succeeds; their bytes are never mixed.
   *  @throws StorageError OFFSET_INVALID if the file has another length or version. A driver that would need
   *    an extra request to find that out may throw it from the writer's `sync` instead. */
  append(path: string, options?: AppendOptions): Promise<FileWriter>

  /** Creates a file that readers see grow. Undefined where files don't grow, such as in a bucket.
   *  @throws StorageError */
  createGrowing?(path: string): Promise<GrowingFile> | undefined

  /** The children of a folder in byte order of their names; empty if there is no such folder. Uses bounded
   *  memory. */
  list(folder: string, options?: ListOptions): AsyncIterable<Entry>

  /** The children of a folder as `list` yields them, if the driver knows them without waiting. Undefined
   *  otherwise, and after any error: the caller must use `list`. Throws nothing. May return the same object while nothing
   *  has changed, so that a caller can keep what it makes of it. */
  peekList?(folder: string, options?: ListOptions): Iterable<Entry> | undefined

  /** Moves a file, atomically and durably: a reader of `to` sees the old file or the new one.
   *  @returns false if `replace` is false and a file exists at `to`; nothing is changed then
   *  @throws StorageError PATH_NOT_FOUND; OFFSET_INVALID if the file is not of `version` */
  move(from: string, to: string, options?: MoveOptions): Promise<boolean>

  /** Makes the bytes of a file visible at a second path too, atomically and durably; the file itself stays. A
   *  file that is already at `to` is replaced. On a disk it is a second name of the same bytes, if the file
   *  system allows that. For files that nobody appends to.
   *  @throws StorageError PATH_NOT_FOUND */
  copy(from: string, to: string): Promise<void>

  /** Removes a file, or a folder and everything below it. An absent path is no error. The removal survives a
   *  power cut unless `durable` is false. */
  delete(path: string, options?: DeleteOptions): Promise<void>

  /** Makes a visible file durable. Needed before relying on a file of another process, which may not have
   *  synced it yet or may have ended before. */
  settle(path: string): Promise<void>

  /** Reads a state: a small file that only `swapState` changes. Undefined if there is none. Linearizable: it
   *  returns what was swapped in last, by any process. */
  getState(path: string): Promise<State | undefined>

  /** Compare-and-swap: durably replaces a state if it still has the version `expected` (undefined: if there
   *  is none). Of several processes that swap the same version exactly one succeeds. `delete` removes a
   *  state.
   *  @returns the new version; undefined if the state has changed, and nothing is written then */
  swapState(
    path: string,
    content: Uint8Array,
    expected: FileVersion | undefined,
  ): Promise<FileVersion | undefined>

  /** Every file below a folder, at any depth, in byte order of the paths; a page at a time, so millions of
   *  files need little memory. Files that appear or disappear during the scan may or may not be included. */
  scan(folder: string, options?: ScanOptions): AsyncIterable<readonly ScannedFile[]>

  /** Opens a fence, by which removals end at a known time: see `Fence`.
   *  @throws StorageError UNSUPPORTED if the storage can't guarantee that, or has no compare-and-swap; the
   *    message says what is missing */
  openFence(options?: FenceOptions): Promise<Fence>

  /** Removes files, durably or not, as long as the fence is open. An absent file is no error.
   *  @throws StorageError FENCE_CLOSED if the fence is closed; some of the files may be removed */
  deleteFenced(paths: readonly string[], fence: Fence): Promise<void>

  /** Closes a fence, whichever process has opened it. Once it resolves, that fence removes no more files,
   *  even if a request was still under way. May take as long as the fence's lifetime, and some seconds. */
  closeFence(fence: Fence): Promise<void>

  /** A URL from which the client can fetch the file by itself, or undefined if the registry must serve it.
   *  Sends no request to the storage. */
  redirectUrl(path: string, client?: RedirectedClient): Promise<URL | undefined>

  /** Incomplete uploads, which cost space but which no listing shows, such as multipart uploads never
   *  completed. */
  incompleteUploads(): AsyncIterable<IncompleteUpload>

  /** Releases connections and files. No method may be called afterwards. */
  close(): Promise<void>
}

/** Identifies the bytes of an appended file or of a state, like a strong entity tag: other bytes have
 *  another version, even of the same length. Opaque; only a driver of the same kind can interpret it, in
 *  any process. */
export type FileVersion = string

export interface State {
  readonly content: Uint8Array
  readonly version: FileVersion
}

export type FileInfo =
  | { readonly kind: 'file'; readonly size: number; readonly modifiedAt: Date }
  | { readonly kind: 'folder' }

export interface Entry {
  /** The last component of its path. */
  readonly name: string
  readonly kind: 'file' | 'folder'
}

export interface ScannedFile {
  readonly path: string
  /** In bytes. */
  readonly size: number
  /** By the storage's clock. */
  readonly modifiedAt: Date
  /** Of a small file, if it was asked for and took no further request; that of the same moment as the time. */
  readonly content?: Uint8Array | undefined
}

export interface ScanOptions {
  /** Only paths after this one, in byte order. */
  readonly after?: string
  /** Returns false for a folder whose files the caller ignores. A driver that does not scan folders returns
   *  such files all the same. */
  readonly enters?: (folder: string) => boolean
  /** The name of the only file in a folder that the caller needs, or its path below the folder, so that the
   *  folder need not be listed. Undefined for a folder of which it needs everything. A hint: the driver may
   *  return other files all the same. */
  readonly leaf?: (folder: string) => string | undefined
  /** True if the caller needs the content of the files that are the `leaf` of a folder. A hint: the driver may
   *  return them without. Default: false. */
  readonly contents?: boolean
}

/** A permission to remove files, which ends for certain. A process that removes files that others may need
 *  again opens a fence, tells the others of it, and removes by it; a process that takes over closes it first.
 *  Removals by a process that was suspended, and delayed requests, then do nothing.
 *
 *  A text that is valid in every process over the same storage. */
export type Fence = string

export interface FenceOptions {
  /** Lifetime of the fence, in milliseconds. Default: a minute. */
  readonly lifetimeMs?: number
}

export const FENCE_LIFETIME_MS = 60_000

/** Bytes from `start` to `end`, both included. */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

export interface ReadOptions {
  range?: ByteRange
  /** Read these bytes only; OFFSET_INVALID or PATH_NOT_FOUND if the file has changed. Default: any. */
  version?: FileVersion | undefined
  signal?: AbortSignal
}

export interface PutOptions extends Precedence {
  /** False if a power cut may lose the file. It is never torn. Default: true. */
  durable?: boolean
  /** True if nobody looks for the file before the promise resolves, and its folder does not exist yet. Until then a reader
   *  may see a part of it. Default: false. */
  isNew?: boolean
}

/** The order in which files become visible. */
export interface Precedence {
  /** The file becomes visible after this promise resolves, and never if it rejects. Writing starts before, so
   *  files that must appear in order are still written concurrently. */
  after?: Promise<unknown>
}

export interface DeleteOptions {
  /** False if the file may reappear after a power cut. Default: true. */
  durable?: boolean
  /** The names of all children of the folder, if the caller knows them, the likeliest first. Where that costs more the folder
   *  is not listed then, and other children may stay. */
  knownChildren?: readonly string[]
}

export interface MoveOptions {
  /** If false, an existing target with the same content may be kept. Default: true. */
  replace?: boolean
  /** If true, the source may remain, because the caller removes it next. Saves a request where moving is
   *  copying. Default: false. */
  mayStay?: boolean
  /** The version that the source must have; otherwise nothing is done. Exactly the bytes of the writer that
   *  returned the version are moved, and no writer can change them afterwards. Default: any. */
  version?: FileVersion | undefined
}

/** Lifetime of the URLs from `redirectUrl`; the same as Distribution's. */
export const REDIRECT_LIFETIME_MS = 20 * 60_000

/** The client that is redirected. */
export interface RedirectedClient {
  /** Its IP address. */
  readonly address: string
}

/** Parts of an upload, or a file set aside, that the process writing them has not completed or removed. */
export interface IncompleteUpload {
  /** The path that the parts were written for. */
  readonly path: string
  /** The last activity that the storage has recorded. */
  readonly modifiedAt: Date
  remove(): Promise<void>
}

export interface AppendOptions {
  /** The length that the file must have, in bytes. Default: any. */
  offset?: number
  /** The version that the file must have, from the previous writer. Without it another process may be writing
   *  to the file: the bytes are taken over, and that writer fails. */
  version?: FileVersion | undefined
  /** A file of the local file system with the first bytes of a new file; nobody writes to it any more. A driver
   *  that can takes it over by renaming it, and its length is then the writer's first size. Others ignore it, and
   *  it stays. */
  takes?: string | undefined
}

export interface ListOptions {
  /** Only names after this one, in byte order. */
  after?: string
}

export interface SyncOptions {
  /** True if the file is moved next: only its bytes are made durable, and the move does the rest. Default:
   *  false. */
  dataOnly?: boolean
}

/** A file of one writer, who calls one method at a time. After a crash it may end with a part of the last bytes. */
export interface GrowingFile {
  /** Adds bytes at the end. With `durable` all bytes so far survive a power cut once the promise resolves.
   *  @returns the file's new time, by the storage's clock
   *  @throws StorageError, PATH_NOT_FOUND if the file was removed; it must not be appended to any more then */
  append(content: Uint8Array, options: { readonly durable: boolean }): Promise<Date>
  close(): Promise<void>
}

/** Appends to one file. */
export interface FileWriter {
  /** Length of the file in bytes, including all written chunks. */
  readonly size: number

  /** The file's version after this writer. Defined once it has been closed without an error. */
  readonly version: FileVersion | undefined

  /** Takes ownership of a chunk: the writer empties it once its bytes are written or copied. A caller that
   *  hashes it does so before, and does not use it afterwards.
   *  @returns a promise if the caller must wait before it writes more (backpressure), otherwise undefined */
  write(chunk: Uint8Array): Promise<void> | undefined

  /** Makes all written bytes and the file's name durable. A failed sync is never retried: every later call
   *  fails. */
  sync(options?: SyncOptions): Promise<void>

  /** Closes the writer. The bytes stay and can be appended to. */
  close(): Promise<void>
}
