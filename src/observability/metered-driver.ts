import { type DriverOperation, ForwardingDriver, ForwardingWriter } from '../core/forwarding-driver.ts'
import type { AppendOptions, Entry, FileWriter, ListOptions, StorageDriver } from '../core/storage-driver.ts'
import type { Timer } from '../core/timer.ts'

/** Distribution's names of the timed operations. Others have none there, and are not timed. */
const ACTIONS: Partial<Record<DriverOperation, string>> = {
  stat: 'Stat',
  get: 'GetContent',
  getState: 'GetContent',
  read: 'Reader',
  put: 'PutContent',
  swapState: 'PutContent',
  list: 'List',
  move: 'Move',
  delete: 'Delete',
  redirectUrl: 'URLFor',
}

/** Times the operations of a driver, successful or not. For iterated operations, the time that the caller
 *  takes between steps is not counted. */
export class MeteredDriver extends ForwardingDriver {
  readonly #timer: Timer

  constructor(driver: StorageDriver, timer: Timer) {
    super(driver)
    this.#timer = timer
  }

  /** A writer counts as one action, from opening to closing. */
  override async append(path: string, options?: AppendOptions): Promise<FileWriter> {
    const watch = new StopWatch()
    try {
      const writer = await watch.during(this.driver.append(path, options))
      return new MeteredWriter(writer, { watch, done: () => this.#observe('Writer', watch) })
    } catch (error) {
      this.#observe('Writer', watch)
      throw error
    }
  }

  /** Counts if it has an answer; otherwise `list` follows. */
  override peekList(folder: string, options?: ListOptions): Iterable<Entry> | undefined {
    const startedAt = performance.now()
    const entries = super.peekList(folder, options)
    if (entries !== undefined) this.#timer.observe('List', (performance.now() - startedAt) / 1000)
    return entries
  }

  protected override aroundCall<T>(operation: DriverOperation, work: Promise<T>): Promise<T> {
    const action = ACTIONS[operation]
    return action === undefined ? work : this.#timed(action, work)
  }

  protected override aroundSteps<T>(operation: DriverOperation, source: AsyncIterable<T>): AsyncIterable<T> {
    const action = ACTIONS[operation]
    return action === undefined ? source : this.#timedSteps(action, source)
  }

  async #timed<T>(action: string, work: Promise<T>): Promise<T> {
    const startedAt = performance.now()
    try {
      return await work
    } finally {
      this.#timer.observe(action, (performance.now() - startedAt) / 1000)
    }
  }

  async *#timedSteps<T>(action: string, source: AsyncIterable<T>): AsyncIterable<T> {
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

  #observe(action: string, { milliseconds }: StopWatch): void {
    this.#timer.observe(action, milliseconds / 1000)
  }
}

class MeteredWriter extends ForwardingWriter {
  readonly #watch: StopWatch
  readonly #done: () => void

  constructor(writer: FileWriter, { watch, done }: { watch: StopWatch; done: () => void }) {
    super(writer)
    this.#watch = watch
    this.#done = done
  }

  override async close(): Promise<void> {
    try {
      await super.close()
    } finally {
      this.#done()
    }
  }

  protected override aroundCall<T>(work: Promise<T>): Promise<T> {
    return this.#watch.during(work)
  }
}

/** Adds up the duration of several pieces of work. */
class StopWatch {
  milliseconds = 0

  /** The work's result, after its time was added. */
  async during<T>(work: Promise<T>): Promise<T> {
    const startedAt = performance.now()
    try {
      return await work
    } finally {
      this.milliseconds += performance.now() - startedAt
    }
  }
}
