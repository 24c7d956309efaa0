import { RegistryError, StorageError } from '../core/errors.ts'
import type {
  AppendOptions,
  DeleteOptions,
  Entry,
  FileInfo,
  FileVersion,
  FileWriter,
  Leftover,
  ListOptions,
  MoveOptions,
  PutOptions,
  ReadOptions,
  RedirectedClient,
  State,
  StorageDriver,
  SyncOptions,
} from '../core/storage-driver.ts'

/** The storage driver as the registry sees it. Errors that a client must hear of (a full disk, no file handle left) become a
 *  RegistryError. Errors that the registry handles itself (nothing at the path, another length) stay a StorageError, and so
 *  do those that cannot be handled. Attached once, around the whole registry. */
export class ErrorMappingDriver implements StorageDriver {
  readonly name: string
  readonly #driver: StorageDriver

  constructor(driver: StorageDriver) {
    this.name = driver.name
    this.#driver = driver
  }

  stat(path: string): Promise<FileInfo> {
    return this.#driver.stat(path).catch(rethrow)
  }

  get(path: string): Promise<Uint8Array> {
    return this.#driver.get(path).catch(rethrow)
  }

  /** By hand: a generator around the driver's iterator would cost a small blob more promises than reading it does. */
  read(path: string, options?: ReadOptions): AsyncIterable<Uint8Array> {
    const content = this.#driver.read(path, options)
    return {
      [Symbol.asyncIterator]() {
        const chunks = content[Symbol.asyncIterator]()
        return {
          next: () => chunks.next().catch(rethrow),
          return: async (value) => (await chunks.return?.(value).catch(rethrow)) ?? { done: true, value },
        }
      },
    }
  }

  put(path: string, content: Uint8Array, options?: PutOptions): Promise<void> {
    return this.#driver.put(path, content, options).catch(rethrow)
  }

  async append(path: string, options?: AppendOptions): Promise<FileWriter> {
    return new ErrorMappingWriter(await this.#driver.append(path, options).catch(rethrow))
  }

  async *list(folder: string, options?: ListOptions): AsyncIterable<Entry> {
    try {
      yield* this.#driver.list(folder, options)
    } catch (error) {
      rethrow(error)
    }
  }

  move(from: string, to: string, options?: MoveOptions): Promise<boolean> {
    return this.#driver.move(from, to, options).catch(rethrow)
  }

  delete(path: string, options?: DeleteOptions): Promise<void> {
    return this.#driver.delete(path, options).catch(rethrow)
  }

  settle(path: string): Promise<void> {
    return this.#driver.settle(path).catch(rethrow)
  }

  getState(path: string): Promise<State | undefined> {
    return this.#driver.getState(path).catch(rethrow)
  }

  swapState(
    path: string,
    content: Uint8Array,
    expected: FileVersion | undefined,
  ): Promise<FileVersion | undefined> {
    return this.#driver.swapState(path, content, expected).catch(rethrow)
  }

  redirectUrl(path: string, client?: RedirectedClient): Promise<URL | undefined> {
    return this.#driver.redirectUrl(path, client).catch(rethrow)
  }

  async *leftovers(): AsyncIterable<Leftover> {
    try {
      yield* this.#driver.leftovers()
    } catch (error) {
      rethrow(error)
    }
  }

  close(): Promise<void> {
    return this.#driver.close()
  }
}

class ErrorMappingWriter implements FileWriter {
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
    return this.#writer.write(chunk)?.catch(rethrow)
  }

  sync(options?: SyncOptions): Promise<void> {
    return this.#writer.sync(options).catch(rethrow)
  }

  close(): Promise<void> {
    return this.#writer.close().catch(rethrow)
  }
}

function rethrow(error: unknown): never {
  if (error instanceof StorageError) {
    if (error.code === 'NO_SPACE') throw new RegistryError('INSUFFICIENT_STORAGE', { cause: error })
    if (error.code === 'TOO_MANY_OPEN_FILES' || error.code === 'BUSY')
      throw new RegistryError('UNAVAILABLE', { cause: error })
  }
  throw error
}
