import { setTimeout as delay } from 'node:timers/promises'
import type { Log } from '../../core/log.ts'
import { Polling } from '../polling.ts'
import { type Look, lookAt, stampAt } from './bounded-read.ts'

/** The bytes of a file, or the error that prevented reading it. */
export type FileContent = Look['content']

export interface FileWatchOptions {
  readonly paths: readonly string[]
  /** The contents when the files were first read, in the order of `paths`. Differences from them are
   *  changes. */
  readonly known: readonly FileContent[]
  /** Called with all contents once files have changed and are stable. May throw. */
  readonly onChange: (contents: readonly FileContent[]) => void
  readonly log: Log
  /** Interval of the checks. Default: 1 s. */
  readonly pollMs?: number
  /** Time for which the files must not change. Default: 1 s. */
  readonly stillMs?: number
  /** Size limit of a file. Default: 16 MiB. */
  readonly maxBytes?: number
}

const POLL_MS = 1000
const STILL_MS = 1000
const MAX_BYTES = 16 * 1024 * 1024
/** Logs a warning after so many checks of files that keep changing. */
const MANY_LOOKS = 30

/** The present contents of files. */
export async function readFiles(paths: readonly string[]): Promise<FileContent[]> {
  return contentsOf(await lookAtAll(paths, MAX_BYTES))
}

/** Watches files that may change while they are used. A change counts once two successive checks agree on
 *  bytes, sizes, times and file identities. So a partly written file is never used, nor only one of two files
 *  that belong together; symbolic links to other files are noticed too. */
export class FileWatch {
  readonly #options: FileWatchOptions
  readonly #stillMs: number
  readonly #maxBytes: number
  readonly #polling: Polling
  readonly #closing = new AbortController()
  #known: readonly FileContent[]
  /** Stamps of the known contents; undefined until they are checked. */
  #stamps: string | undefined
  #settling: Promise<void> | undefined
  /** True if `onChange` must be called even without a change. */
  #isAsked = false

  constructor(options: FileWatchOptions) {
    this.#options = options
    this.#known = options.known
    this.#stillMs = options.stillMs ?? STILL_MS
    this.#maxBytes = options.maxBytes ?? MAX_BYTES
    this.#polling = new Polling(async () => {
      if (this.#isAsked || (await this.#hasChanged())) await this.#settle()
    }, options.pollMs ?? POLL_MS)
    this.#polling.start()
  }

  /** Resolves at once if nothing has changed, otherwise after `onChange`. Files that keep changing are waited
   *  for at most twice the stable time. */
  async refresh(): Promise<void> {
    if (this.#settling === undefined && !(await this.#hasChanged())) return
    await Promise.race([this.#settle(), this.#pause(2 * this.#stillMs)])
  }

  /** Calls `onChange` once the files are stable, even if they have not changed. */
  async reread(): Promise<void> {
    this.#isAsked = true
    await this.#settle()
  }

  /** Uses the present contents without waiting. The caller must know that no process is writing them. */
  async readNow(): Promise<void> {
    this.#take(await this.#look())
  }

  close(): void {
    this.#polling.stop()
    this.#closing.abort()
  }

  #settle(): Promise<void> {
    this.#settling ??= this.#takeOnceStill().finally(() => {
      this.#settling = undefined
    })
    return this.#settling
  }

  async #takeOnceStill(): Promise<void> {
    let seen = await this.#look()
    // The known contents were stable already.
    if (!this.#isAsked && isSameContent(contentsOf(seen), this.#known)) return this.#take(seen)
    for (let looks = 1; await this.#pause(this.#stillMs); looks++) {
      const again = await this.#look()
      if (isSame(seen, again)) return this.#take(again)
      if (looks === MANY_LOOKS) {
        const { paths, log } = this.#options
        log.warn({ paths }, 'keeps changing, and is not reloaded until it is stable')
      }
      seen = again
    }
  }

  #take(seen: readonly Look[]): void {
    const contents = contentsOf(seen)
    const isNews = this.#isAsked || !isSameContent(contents, this.#known)
    this.#isAsked = false
    this.#stamps = stampsOf(seen)
    this.#known = contents
    if (!isNews) return
    const { onChange, log, paths } = this.#options
    try {
      onChange(contents)
    } catch (err) {
      log.error({ err, paths }, 'has changed, and is unusable')
    }
  }

  #look(): Promise<Look[]> {
    return lookAtAll(this.#options.paths, this.#maxBytes)
  }

  async #hasChanged(): Promise<boolean> {
    const stamps = await Promise.all(this.#options.paths.map(stampAt))
    return stamps.join('\n') !== this.#stamps
  }

  /** False if it was interrupted because nothing needs to be awaited any more. */
  async #pause(ms: number): Promise<boolean> {
    try {
      await delay(ms, undefined, { ref: false, signal: this.#closing.signal })
      return true
    } catch (error) {
      if (!this.#closing.signal.aborted) throw error
      return false
    }
  }
}

function lookAtAll(paths: readonly string[], maxBytes: number): Promise<Look[]> {
  return Promise.all(paths.map((path) => lookAt(path, maxBytes)))
}

function isSame(one: readonly Look[], other: readonly Look[]): boolean {
  return stampsOf(one) === stampsOf(other) && isSameContent(contentsOf(one), contentsOf(other))
}

function stampsOf(looks: readonly Look[]): string {
  return looks.map(({ stamp }) => stamp).join('\n')
}

function contentsOf(looks: readonly Look[]): FileContent[] {
  return looks.map(({ content }) => content)
}

function isSameContent(one: readonly FileContent[], other: readonly FileContent[]): boolean {
  return one.every((content, index) => {
    const counterpart = other[index]
    if (content instanceof Error || counterpart instanceof Error)
      return (
        content instanceof Error && counterpart instanceof Error && content.message === counterpart.message
      )
    return counterpart !== undefined && content.equals(counterpart)
  })
}
