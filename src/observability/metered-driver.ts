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
import type { Timer } from '../core/timer.ts'

/** Another driver, whose actions are timed under the names that Distribution has for them, whether they succeed or not.
 *  Where an action has steps, what its caller does between them is not counted. */
export class MeteredDriver implements StorageDriver {
  readonly name: string
  readonly #driver: StorageDriver
  readonly #timer: Timer

  constructor(driver: StorageDriver, timer: Timer) {
    this.name = driver.name
    this.#driver = driver
    this.#timer = timer
  }

  stat(path: string): Promise<FileInfo> {
    return this.#timed('Stat', this.#driver.stat(path))
  }

  get(path: string): Promise<Uint8Array> {
    return this.#timed('GetContent', this.#driver.get(path))
  }

  read(path: string, options?: ReadOptions): AsyncIterable<Uint8Array> {
    return this.#timedSteps('Reader', this.#driver.read(path, options))
  }

  put(path: string, content: Uint8Array, options?: PutOptions): Promise<void> {
    return this.#timed('PutContent', this.#driver.put(path, content, options))
  }

  async append(path: string, options?: AppendOptions): Promise<FileWriter> {
    const watch = new StopWatch()
    try {
      const writer = await watch.during(this.#driver.append(path, options))
      return new MeteredWriter(writer, { watch, done: () => this.#observe('Writer', watch) })
    } catch (error) {
      this.#observe('Writer', watch)
      throw error
    }
  }

  list(folder: string, options?: ListOptions): AsyncIterable<Entry> {
    return this.#timedSteps('List', this.#driver.list(folder, options))
  }

  move(from: string, to: string, options?: MoveOptions): Promise<boolean> {
    return this.#timed('Move', this.#driver.move(from, to, options))
  }

  delete(path: string, options?: DeleteOptions): Promise<void> {
    return this.#timed('Delete', this.#driver.delete(path, options))
  }

  settle(path: string): Promise<void> {
    return this.#driver.settle(path)
  }

  getState(path: string): Promise<State | undefined> {
    return this.#timed('GetContent', this.#driver.getState(path))
  }

  swapState(
    path: string,
    content: Uint8Array,
    expected: FileVersion | undefined,
  ): Promise<FileVersion | undefined> {
    return this.#timed('PutContent', this.#driver.swapState(path, content, expected))
  }

  redirectUrl(path: string, client?: RedirectedClient): Promise<URL | undefined> {
    return this.#timed('URLFor', this.#driver.redirectUrl(path, client))
  }

  leftovers(): AsyncIterable<Leftover> {
    return this.#driver.leftovers()
  }

  close(): Promise<void> {
    return this.#driver.close()
  }

  async #timed<T>(action: Action, work: Promise<T>): Promise<T> {
    const startedAt = performance.now()
    try {
      return await work
    } finally {
      this.#timer.observe(action, (performance.now() - startedAt) / 1000)
    }
  }

  async *#timedSteps<T>(action: Action, source: AsyncIterable<T>): AsyncIterable<T> {
    const watch = new StopWatch()
    const steps = source[Symbol.asyncIterator]()
    try {
      for (;;) {
        const step = await watch.during(steps.next())
        if (step.done) return
        yield step.value
      }
    } finally {
      this.#observe(action, watch)
      await steps.return?.()
    }
  }

  #observe(action: Action, { milliseconds }: StopWatch): void {
    this.#timer.observe(action, milliseconds / 1000)
  }
}

type Action =
  | 'GetContent'
  | 'PutContent'
  | 'Reader'
  | 'Writer'
  | 'Stat'
  | 'List'
  | 'Move'
  | 'Delete'
  | 'URLFor'

/** A writer is one action, from its opening to its end. */
class MeteredWriter implements FileWriter {
  readonly #writer: FileWriter
  readonly #watch: StopWatch
  readonly #done: () => void

  constructor(writer: FileWriter, { watch, done }: { watch: StopWatch; done: () => void }) {
    this.#writer = writer
    this.#watch = watch
    this.#done = done
  }

  get size(): number {
    return this.#writer.size
  }

  get version(): FileVersion | undefined {
    return this.#writer.version
  }

  write(chunk: Uint8Array): Promise<void> | undefined {
    const taken = this.#writer.write(chunk)
    return taken && this.#watch.during(taken)
  }

  sync(options?: SyncOptions): Promise<void> {
    return this.#watch.during(this.#writer.sync(options))
  }

  async close(): Promise<void> {
    try {
      await this.#watch.during(this.#writer.close())
    } finally {
      this.#done()
    }
  }
}

/** Adds up how long several pieces of work took. */
class StopWatch {
  milliseconds = 0

  /** The work's own result, once its time has been added. */
  async during<T>(work: Promise<T>): Promise<T> {
    const startedAt = performance.now()
    try {
      return await work
    } finally {
      this.milliseconds += performance.now() - startedAt
    }
  }
}
