import type { Log } from '../../core/log.ts'
import type { Pull, PullObserver } from '../../core/notifications/pull-observer.ts'
import type { RequestOrigin } from '../../core/notifications/request-scope.ts'
import type { RepositoryName } from '../../core/reference.ts'
import { hourOf, keyOf, PullCounts } from './pull-counts.ts'
import type { PullFiles } from './pull-files.ts'

export interface PullRecorderOptions {
  readonly files: PullFiles
  /** Between two files, in milliseconds. */
  readonly intervalMs: number
  /** Clients whose pulls do not count, such as scanners. */
  readonly except: readonly string[]
  readonly log: Log
  /** Is told the repositories whose pulls were written. Never throws. */
  readonly onWritten?: ((repositories: Iterable<RepositoryName>) => void) | undefined
  /** The present time, in milliseconds. Default: the clock of this machine. */
  readonly now?: () => number
}

/** Limit of entries in memory: with more of them they are written at once. */
const MAX_ENTRIES = 100_000

/** Counts pulls of manifests in memory, and writes what has come together now and again. A crash loses one interval. */
export class PullRecorder implements PullObserver {
  readonly readsPayload = false
  readonly #options: PullRecorderOptions
  readonly #except: ReadonlySet<string>
  readonly #now: () => number
  #counts = new PullCounts()
  #timer: NodeJS.Timeout | undefined
  #writing: Promise<void> = Promise.resolve()

  constructor(options: PullRecorderOptions) {
    this.#options = options
    this.#except = new Set(options.except)
    this.#now = options.now ?? Date.now
  }

  /** Notes since when pulls are recorded, and writes from then on. */
  async begin(): Promise<void> {
    const { files, log } = this.#options
    // It is noted again with each write.
    await files
      .note(this.#now())
      .catch((err) => log.warn({ err }, 'the start of recording pulls could not be noted'))
    this.#timer = setInterval(() => this.#flushLater(), this.#options.intervalMs).unref()
  }

  pulled({ kind, isHead, repository, descriptor, tag }: Pull, origin: () => RequestOrigin): void {
    if (kind !== 'manifest' || isHead) return
    if (this.#except.size > 0 && this.#except.has(origin().actor)) return
    this.#counts.add(repository, keyOf(descriptor.digest, tag), [hourOf(this.#now()), 1])
    if (this.#counts.size >= MAX_ENTRIES) this.#flushLater()
  }

  /** Writes what has come together. If that fails it waits for the next time. */
  async flush(): Promise<void> {
    const { files, onWritten } = this.#options
    const counts = this.#counts
    this.#counts = new PullCounts()
    try {
      await files.note(this.#now())
      if (counts.size > 0) await files.write(counts)
    } catch (error) {
      counts.merge(this.#counts)
      this.#counts = counts.size < 2 * MAX_ENTRIES ? counts : this.#counts
      throw error
    }
    onWritten?.(counts.repositories.keys() as Iterable<RepositoryName>)
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    this.#flushLater()
    await this.#writing
  }

  #flushLater(): void {
    const flush = () =>
      this.flush().catch((err) =>
        this.#options.log.warn({ err }, 'pulls could not be recorded; they are tried again'),
      )
    this.#writing = this.#writing.then(flush)
  }
}
