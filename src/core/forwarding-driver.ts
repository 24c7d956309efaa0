import type {
  AppendOptions,
  DeleteOptions,
  Entry,
  Fence,
  FenceOptions,
  FileInfo,
  FileVersion,
  FileWriter,
  GrowingFile,
  IncompleteUpload,
  ListOptions,
  MoveOptions,
  PutOptions,
  ReadOptions,
  RedirectedClient,
  ScannedFile,
  ScanOptions,
  State,
  StorageDriver,
  SyncOptions,
} from './storage-driver.ts'

/** The methods of the port that wait for storage, without `close`. */
export type DriverOperation = Exclude<keyof StorageDriver, 'name' | 'scansFolders' | 'peekList' | 'close'>

/** Base of every decorator of `StorageDriver`: forwards each call to another driver. A decorator overrides
 *  single methods, or the hooks `aroundCall` and `aroundSteps`, which see the outcome of all of them. */
export class ForwardingDriver implements StorageDriver {
  readonly name: string
  readonly scansFolders: boolean
  protected readonly driver: StorageDriver

  constructor(driver: StorageDriver) {
    this.name = driver.name
    this.scansFolders = driver.scansFolders
    this.driver = driver
  }

  stat(path: string): Promise<FileInfo> {
    return this.aroundCall('stat', this.driver.stat(path), path)
  }

  get(path: string): Promise<Uint8Array> {
    return this.aroundCall('get', this.driver.get(path), path)
  }

  read(path: string, options?: ReadOptions): AsyncIterable<Uint8Array> {
    return this.aroundSteps('read', this.driver.read(path, options), path)
  }

  put(path: string, content: Uint8Array, options?: PutOptions): Promise<void> {
    return this.aroundCall('put', this.driver.put(path, content, options), path)
  }

  append(path: string, options?: AppendOptions): Promise<FileWriter> {
    return this.aroundCall('append', this.driver.append(path, options), path)
  }

  createGrowing(path: string): Promise<GrowingFile> | undefined {
    const created = this.driver.createGrowing?.(path)
    return created && this.aroundCall('createGrowing', created, path)
  }

  list(folder: string, options?: ListOptions): AsyncIterable<Entry> {
    return this.aroundSteps('list', this.driver.list(folder, options), folder)
  }

  peekList(folder: string, options?: ListOptions): Iterable<Entry> | undefined {
    return this.driver.peekList?.(folder, options)
  }

  move(from: string, to: string, options?: MoveOptions): Promise<boolean> {
    return this.aroundCall('move', this.driver.move(from, to, options), from)
  }

  copy(from: string, to: string): Promise<void> {
    return this.aroundCall('copy', this.driver.copy(from, to))
  }

  delete(path: string, options?: DeleteOptions): Promise<void> {
    return this.aroundCall('delete', this.driver.delete(path, options), path)
  }

  settle(path: string): Promise<void> {
    return this.aroundCall('settle', this.driver.settle(path), path)
  }

  getState(path: string): Promise<State | undefined> {
    return this.aroundCall('getState', this.driver.getState(path), path)
  }

  swapState(
    path: string,
    content: Uint8Array,
    expected: FileVersion | undefined,
  ): Promise<FileVersion | undefined> {
    return this.aroundCall('swapState', this.driver.swapState(path, content, expected), path)
  }

  scan(folder: string, options?: ScanOptions): AsyncIterable<readonly ScannedFile[]> {
    return this.aroundSteps('scan', this.driver.scan(folder, options), folder)
  }

  openFence(options?: FenceOptions): Promise<Fence> {
    return this.aroundCall('openFence', this.driver.openFence(options))
  }

  deleteFenced(paths: readonly string[], fence: Fence): Promise<void> {
    return this.aroundCall('deleteFenced', this.driver.deleteFenced(paths, fence))
  }

  closeFence(fence: Fence): Promise<void> {
    return this.aroundCall('closeFence', this.driver.closeFence(fence))
  }

  redirectUrl(path: string, client?: RedirectedClient): Promise<URL | undefined> {
    return this.aroundCall('redirectUrl', this.driver.redirectUrl(path, client), path)
  }

  incompleteUploads(): AsyncIterable<IncompleteUpload> {
    return this.aroundSteps('incompleteUploads', this.driver.incompleteUploads())
  }

  close(): Promise<void> {
    return this.driver.close()
  }

  /** Hook around a call that returns a promise.
   *  @param _path that it is called with first, if any */
  protected aroundCall<T>(_operation: DriverOperation, work: Promise<T>, _path?: string): Promise<T> {
    return work
  }

  /** Hook around a call that yields items. */
  protected aroundSteps<T>(
    _operation: DriverOperation,
    source: AsyncIterable<T>,
    _path?: string,
  ): AsyncIterable<T> {
    return source
  }
}

/** Base of every decorator of `FileWriter`; the hook `aroundCall` sees what `write`, `sync` and `close` come
 *  to. */
export class ForwardingWriter implements FileWriter {
  readonly #writer: FileWriter

  constructor(writer: FileWriter) {
    this.#writer = writer
  }

  get size(): number {
    return this.#writer.size
  }

  get version(): FileVersion | undefined {
    return this.#writer.version
  }

  write(chunk: Uint8Array): Promise<void> | undefined {
    const taken = this.#writer.write(chunk)
    return taken && this.aroundCall(taken)
  }

  sync(options?: SyncOptions): Promise<void> {
    return this.aroundCall(this.#writer.sync(options))
  }

  close(): Promise<void> {
    return this.aroundCall(this.#writer.close())
  }

  protected aroundCall<T>(work: Promise<T>): Promise<T> {
    return work
  }
}
