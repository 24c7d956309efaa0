import { setTimeout as delay } from 'node:timers/promises'
import type { Log } from '../../core/log.ts'
import { Polling } from '../polling.ts'
import { type Look, lookAt, stampAt } from './bounded-read.ts'

/** The bytes of a file, or why it cannot be read. */
export type FileContent = Look['content']

export interface FileWatchOptions {
  readonly paths: readonly string[]
  /** What the files had when they were read first, in the order of `paths`: what differs from it is a change. */
  readonly known: readonly FileContent[]
  /** Hears what the files have, all of them, once they have changed and then stood still. May throw. */
  readonly onChange: (contents: readonly FileContent[]) => void
  readonly log: Log
  /** How long it takes at most until a change is seen. Default: 1 s. */
  readonly pollMs?: number
  /** How long the files must stand still. Default: 1 s. */
  readonly stillMs?: number
  /** A larger file cannot be read. Default: 16 MiB. */
  readonly maxBytes?: number
}

const POLL_MS = 1000
const STILL_MS = 1000
const MAX_BYTES = 16 * 1024 * 1024
/** After so many looks at files that never stand still, the log says so. */
const MANY_LOOKS = 30

/** What files have now. */
export async function readFiles(paths: readonly string[]): Promise<FileContent[]> {
  return contentsOf(await lookAtAll(paths, MAX_BYTES))
}

/** Files that are used while they change. A change counts when two looks, some time apart, have found the same: bytes,
 *  sizes, times, and the files themselves. So half a file is not taken for the whole while somebody writes it, and of
 *  files that belong together not one for both; links that are turned to other files are seen, too. */
export class FileWatch {
  readonly #options: FileWatchOptions
  readonly #stillMs: number
  readonly #maxBytes: number
  readonly #polling: Polling
  readonly #closing = new AbortController()
  #known: readonly FileContent[]
  /** Of what is known; undefined until it was looked at. */
  #stamps: string | undefined
  #settling: Promise<void> | undefined
  /** True while somebody wants to hear what there is, changed or not. */
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

  /** Resolves at once if nothing has changed, else when the change was heard of. Files that do not stand still are not
   *  waited for: it may take twice as long as they must. */
  async refresh(): Promise<void> {
    if (this.#settling === undefined && !(await this.#hasChanged())) return
    await Promise.race([this.#settle(), this.#pause(2 * this.#stillMs)])
  }

  /** Has `onChange` hear what the files have, changed or not, once they have stood still. */
  async reread(): Promise<void> {
    this.#isAsked = true
    await this.#settle()
  }

  /** Takes what the files have now, without waiting: for those who know that nobody is writing them. */
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
    // What is known already has been there for long enough.
    if (!this.#isAsked && isSameContent(contentsOf(seen), this.#known)) return this.#take(seen)
    for (let looks = 1; await this.#pause(this.#stillMs); looks++) {
      const again = await this.#look()
      if (isSame(seen, again)) return this.#take(again)
      if (looks === MANY_LOOKS) {
        const { paths, log } = this.#options
        log.warn({ paths }, 'never stands still, and is not read again until it does')
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
      log.error({ err, paths }, 'has changed, and cannot be used')
    }
  }

  #look(): Promise<Look[]> {
    return lookAtAll(this.#options.paths, this.#maxBytes)
  }

  async #hasChanged(): Promise<boolean> {
    const stamps = await Promise.all(this.#options.paths.map(stampAt))
    return stamps.join('\n') !== this.#stamps
  }

  /** False if it ended because there is nothing to wait for any more. */
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
