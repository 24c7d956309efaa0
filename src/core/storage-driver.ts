/** The port to a place that keeps bytes under paths: a disk, memory, a bucket.
 *
 *  A path is `(/[A-Za-z0-9._-]+)+`, with no component `.` or `..`; the driver puts its own root before it. Folders are
 *  not made by themselves: one exists while a file stands below it. Where folders are real, an empty one may stay.
 *  Every method throws `StorageError` and nothing else. Every driver passes the suite in
 *  `test/contract/storage-driver.ts`. */
export interface StorageDriver {
  /** What it is called in the configuration: `filesystem`, `inmemory`, … */
  readonly name: string

  /** Size and age of a file, or that the path is a folder.
   *  @throws StorageError PATH_NOT_FOUND */
  stat(path: string): Promise<FileInfo>

  /** A small file, whole. Meant for links and manifests, not for blobs.
   *  @throws StorageError PATH_NOT_FOUND */
  get(path: string): Promise<Uint8Array>

  /** The bytes of a file, or of a range of it, in order. Opening is part of the first step, so errors come from there;
   *  ending the iteration early releases what it holds.
   *
   *  **A chunk is valid only until the next one is asked for**: drivers read into buffers they use again.
   *  @throws StorageError PATH_NOT_FOUND; OFFSET_INVALID when the range is not wholly inside the file */
  read(path: string, options?: ReadOptions): AsyncIterable<Uint8Array>

  /** Writes a small file so that a reader sees the old content or the new, never a mixture or a part, and so that,
   *  unless `durable` is false, the content survives a power cut once the promise is fulfilled. */
  put(path: string, content: Uint8Array, options?: PutOptions): Promise<void>

  /** Opens a file to write at its end; an absent one is made. Of several writers that begin with the same bytes at most
   *  one succeeds, whichever processes they are in; what a writer adds is never mixed with what another one adds.
   *  @throws StorageError OFFSET_INVALID when the file has another length or version; a driver that would have to ask the
   *    storage for it may say so only when the writer is synced */
  append(path: string, options?: AppendOptions): Promise<FileWriter>

  /** The children of a folder, in byte order of their names; an empty sequence where there is no such folder. However
   *  many there are, no more than some thousand are held at a time, unless they are asked for at once. */
  list(folder: string, options?: ListOptions): AsyncIterable<Entry>

  /** Puts a file in another's place, durably: a reader of `to` sees what stood there before, or the new file whole.
   *  @returns false when a file stands there that need not be replaced: nothing was done
   *  @throws StorageError PATH_NOT_FOUND; OFFSET_INVALID when the file is another version than `version` */
  move(from: string, to: string, options?: MoveOptions): Promise<boolean>

  /** Removes a file, or a folder with all that stands below it. Removing what is not there is no error. The removal
   *  survives a power cut unless `durable` is false. */
  delete(path: string, options?: DeleteOptions): Promise<void>

  /** Makes a file that was put or moved to its place survive a power cut, whichever process did so: it may not have come to
   *  that yet, or have ended before. */
  settle(path: string): Promise<void>

  /** A state: a small file that is changed by `swapState` alone. Undefined when there is none yet.
   *  The bytes are those that were last swapped in, by whichever process. */
  getState(path: string): Promise<State | undefined>

  /** Changes a state durably, if it is still the version that was read (`expected`; undefined: if there is none yet). Of
   *  several processes that swap the same version one succeeds. `delete` removes a state.
   *  @returns the new version; undefined when the state is another by now: nothing was done */
  swapState(
    path: string,
    content: Uint8Array,
    expected: FileVersion | undefined,
  ): Promise<FileVersion | undefined>

  /** Where a client can GET the file by itself, or undefined when it must come through the registry. Costs no trip to the
   *  storage. */
  redirectUrl(path: string, client?: RedirectedClient): Promise<URL | undefined>

  /** What was begun here and shows in no listing, such as an upload in parts that nobody goes on with. */
  leftovers(): AsyncIterable<Leftover>

  /** Lets go of what the driver holds. Nothing may be asked of it afterwards. */
  close(): Promise<void>
}

/** Names the bytes of a file that was appended to, or of a state: other bytes have another version, whoever wrote them and
 *  however many they are. Only the driver that gave it can read it, in this process or another. */
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

/** Bytes from `start` to `end`, both included. */
export interface ByteRange {
  readonly start: number
  readonly end: number
}

export interface ReadOptions {
  range?: ByteRange
  /** Only these bytes; OFFSET_INVALID or PATH_NOT_FOUND when the file is another by now. Absent: whatever it is. */
  version?: FileVersion | undefined
  signal?: AbortSignal
}

export interface PutOptions extends Precedence {
  /** False for what may be lost in a power cut, as long as it is never torn. Default: true. */
  durable?: boolean
}

/** What a file waits for before it appears. */
export interface Precedence {
  /** The file appears once this is fulfilled and not at all when it fails; whatever can be done before is done meanwhile.
   *  So a chain of files that must appear one after the other need not be written one after the other. */
  after?: Promise<unknown>
}

export interface DeleteOptions {
  /** False where it does no harm when the file is there again after a power cut. Default: true. */
  durable?: boolean
  /** The names of all children of the folder, if the caller knows them: it is then not listed, and other children may stay. */
  knownChildren?: readonly string[]
}

export interface MoveOptions {
  /** False where a file that stands at the other place need not be replaced, because it has the same content if it is
   *  intact: it stays, unless replacing it is quicker than looking. Default: true. */
  replace?: boolean
  /** True where the file may stay in its old place as well, because the caller removes that next: where moving is
   *  copying, it saves a trip. Default: false. */
  mayStay?: boolean
  /** Which version the file must be; if it is another, nothing is done, whatever stands at the other place. What is moved
   *  is then exactly what the writer that gave the version has written, and no writer can change it any more. Absent:
   *  whatever it is. */
  version?: FileVersion | undefined
}

/** How long a URL from `redirectUrl` is valid: as long as in Distribution. */
export const REDIRECT_LIFETIME_MS = 20 * 60_000

/** Who is to be sent elsewhere. */
export interface RedirectedClient {
  /** Its IP address. */
  readonly address: string
}

export interface Leftover {
  readonly path: string
  /** When something was last done to it, as far as the storage tells. */
  readonly modifiedAt: Date
  remove(): Promise<void>
}

export interface AppendOptions {
  /** How long the file must be, in bytes. Absent: whatever it is. */
  offset?: number
  /** Which version it must be, as the writer before said. Without it nobody vouches for the bytes that are there: another
   *  process may be writing to the file. Then they are taken over, and that writer fails. */
  version?: FileVersion | undefined
}

export interface ListOptions {
  /** Only names that come behind this one in byte order. */
  after?: string
  /** True where there are few children, or the caller keeps them all: they may be read at once, which is quicker. */
  atOnce?: boolean
}

export interface SyncOptions {
  /** True if the file is moved next: only its bytes are made durable, and the move does the rest. Default: false. */
  dataOnly?: boolean
}

/** A file being written at its end, by one writer at a time. */
export interface FileWriter {
  /** The file's length in bytes, with what was written so far. */
  readonly size: number

  /** The file as this writer has left it. Known once it was closed without an error. */
  readonly version: FileVersion | undefined

  /** Takes a chunk, which belongs to the writer from then on. Returns a promise when the caller should wait before it
   *  writes more, undefined when it may go on at once. */
  write(chunk: Uint8Array): Promise<void> | undefined

  /** Makes all that was written, and the file's name, survive a power cut. A failed sync is never repeated: the
   *  writer is then broken and every later call fails. */
  sync(options?: SyncOptions): Promise<void>

  /** Ends the writing; what was written stays and can be appended to. */
  close(): Promise<void>
}
