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
} from '../../core/storage-driver.ts'

/** Another driver, asked for everything: what a storage middleware is, but for the URLs that clients are sent to. */
export class ForwardingDriver implements StorageDriver {
  readonly name: string
  readonly #driver: StorageDriver

  constructor(driver: StorageDriver) {
    this.name = driver.name
    this.#driver = driver
  }

  stat(path: string): Promise<FileInfo> {
    return this.#driver.stat(path)
  }

  get(path: string): Promise<Uint8Array> {
    return this.#driver.get(path)
  }

  read(path: string, options?: ReadOptions): AsyncIterable<Uint8Array> {
    return this.#driver.read(path, options)
  }

  put(path: string, content: Uint8Array, options?: PutOptions): Promise<void> {
    return this.#driver.put(path, content, options)
  }

  append(path: string, options?: AppendOptions): Promise<FileWriter> {
    return this.#driver.append(path, options)
  }

  list(folder: string, options?: ListOptions): AsyncIterable<Entry> {
    return this.#driver.list(folder, options)
  }

  move(from: string, to: string, options?: MoveOptions): Promise<boolean> {
    return this.#driver.move(from, to, options)
  }

  delete(path: string, options?: DeleteOptions): Promise<void> {
    return this.#driver.delete(path, options)
  }

  settle(path: string): Promise<void> {
    return this.#driver.settle(path)
  }

  getState(path: string): Promise<State | undefined> {
    return this.#driver.getState(path)
  }

  swapState(
    path: string,
    content: Uint8Array,
    expected: FileVersion | undefined,
  ): Promise<FileVersion | undefined> {
    return this.#driver.swapState(path, content, expected)
  }

  redirectUrl(path: string, client?: RedirectedClient): Promise<URL | undefined> {
    return this.#driver.redirectUrl(path, client)
  }

  leftovers(): AsyncIterable<Leftover> {
    return this.#driver.leftovers()
  }

  close(): Promise<void> {
    return this.#driver.close()
  }
}
