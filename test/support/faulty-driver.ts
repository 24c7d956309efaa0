import type { StorageError } from '../../src/core/errors.ts'
import type {
  AppendOptions,
  DeleteOptions,
  Entry,
  Fence,
  FenceOptions,
  FileInfo,
  FileVersion,
  FileWriter,
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
} from '../../src/core/storage-driver.ts'

/** `read` and `list` are called when they are iterated; `writer.…` are the methods of what `append` opened. */
export type DriverMethod =
  | Exclude<keyof StorageDriver, 'name' | 'scansFolders'>
  | 'writer.write'
  | 'writer.sync'
  | 'writer.close'

export interface DriverCall {
  readonly method: DriverMethod
  /** What the call is about: for a move the path that is moved, for `close` ''. */
  readonly path: string
  /** For a move, where to. */
  readonly to?: string
}

/** What is to go wrong: undefined lets the call through. */
export type Fault = (call: DriverCall) => StorageError | undefined

/** Another driver with faults, and with a record of what it was asked. A call that fails does not reach the driver
 *  behind it. */
export class FaultyDriver implements StorageDriver {
  readonly name: string
  readonly scansFolders: boolean
  /** Every call since the start or the last `forget`, in order; those that were made to fail too. */
  readonly calls: DriverCall[] = []
  /** May be replaced at any time. */
  fault: Fault
  readonly #driver: StorageDriver

  constructor(driver: StorageDriver, fault: Fault = () => undefined) {
    this.name = driver.name
    this.scansFolders = driver.scansFolders
    this.fault = fault
    this.#driver = driver
  }

  /** How often a method was called. */
  count(method: DriverMethod): number {
    return this.calls.filter((call) => call.method === method).length
  }

  /** Empties the record. */
  forget(): void {
    this.calls.length = 0
  }

  async stat(path: string): Promise<FileInfo> {
    this.#enter({ method: 'stat', path })
    return this.#driver.stat(path)
  }

  async get(path: string): Promise<Uint8Array> {
    this.#enter({ method: 'get', path })
    return this.#driver.get(path)
  }

  async *read(path: string, options?: ReadOptions): AsyncIterable<Uint8Array> {
    this.#enter({ method: 'read', path })
    yield* this.#driver.read(path, options)
  }

  async put(path: string, content: Uint8Array, options?: PutOptions): Promise<void> {
    this.#enter({ method: 'put', path })
    return this.#driver.put(path, content, options)
  }

  async append(path: string, options?: AppendOptions): Promise<FileWriter> {
    this.#enter({ method: 'append', path })
    const writer = await this.#driver.append(path, options)
    return new FaultyWriter(writer, (method) => this.#enter({ method, path }))
  }

  async *list(folder: string, options?: ListOptions): AsyncIterable<Entry> {
    this.#enter({ method: 'list', path: folder })
    yield* this.#driver.list(folder, options)
  }

  async move(from: string, to: string, options?: MoveOptions): Promise<boolean> {
    this.#enter({ method: 'move', path: from, to })
    return this.#driver.move(from, to, options)
  }

  async copy(from: string, to: string): Promise<void> {
    this.#enter({ method: 'copy', path: from, to })
    return this.#driver.copy(from, to)
  }

  async delete(path: string, options?: DeleteOptions): Promise<void> {
    this.#enter({ method: 'delete', path })
    return this.#driver.delete(path, options)
  }

  async settle(path: string): Promise<void> {
    this.#enter({ method: 'settle', path })
    return this.#driver.settle(path)
  }

  async getState(path: string): Promise<State | undefined> {
    this.#enter({ method: 'getState', path })
    return this.#driver.getState(path)
  }

  async swapState(
    path: string,
    content: Uint8Array,
    expected: FileVersion | undefined,
  ): Promise<FileVersion | undefined> {
    this.#enter({ method: 'swapState', path })
    return this.#driver.swapState(path, content, expected)
  }

  async *scan(folder: string, options?: ScanOptions): AsyncIterable<readonly ScannedFile[]> {
    this.#enter({ method: 'scan', path: folder })
    yield* this.#driver.scan(folder, options)
  }

  async openFence(options?: FenceOptions): Promise<Fence> {
    this.#enter({ method: 'openFence', path: '' })
    return this.#driver.openFence(options)
  }

  async deleteFenced(paths: readonly string[], fence: Fence): Promise<void> {
    this.#enter({ method: 'deleteFenced', path: paths[0] ?? '' })
    return this.#driver.deleteFenced(paths, fence)
  }

  async closeFence(fence: Fence): Promise<void> {
    this.#enter({ method: 'closeFence', path: '' })
    return this.#driver.closeFence(fence)
  }

  async redirectUrl(path: string, client?: RedirectedClient): Promise<URL | undefined> {
    this.#enter({ method: 'redirectUrl', path })
    return this.#driver.redirectUrl(path, client)
  }

  async *incompleteUploads(): AsyncIterable<IncompleteUpload> {
    this.#enter({ method: 'incompleteUploads', path: '' })
    yield* this.#driver.incompleteUploads()
  }

  async close(): Promise<void> {
    this.#enter({ method: 'close', path: '' })
    return this.#driver.close()
  }

  #enter(call: DriverCall): void {
    this.calls.push(call)
    const error = this.fault(call)
    if (error !== undefined) throw error
  }
}

/** As a writer does, it stays broken after its first fault; closing it always lets go of the file. */
class FaultyWriter implements FileWriter {
  readonly #writer: FileWriter
  readonly #enter: (method: DriverMethod) => void
  #failure: unknown

  constructor(writer: FileWriter, enter: (method: DriverMethod) => void) {
    this.#writer = writer
    this.#enter = enter
  }

  get size(): number {
    return this.#writer.size
  }

  get version(): FileVersion | undefined {
    return this.#writer.version
  }

  write(chunk: Uint8Array): Promise<void> | undefined {
    try {
      this.#step('writer.write')
    } catch (error) {
      return Promise.reject(error)
    }
    return this.#writer.write(chunk)
  }

  async sync(options?: SyncOptions): Promise<void> {
    this.#step('writer.sync')
    return this.#writer.sync(options)
  }

  async close(): Promise<void> {
    await this.#writer.close()
    this.#step('writer.close')
  }

  #step(method: DriverMethod): void {
    try {
      this.#enter(method)
    } catch (error) {
      this.#failure ??= error
    }
    if (this.#failure !== undefined) throw this.#failure
  }
}
