import type { Entry } from '../../../core/storage-driver.ts'

type Step = IteratorResult<Entry, undefined>

/** Yields entries one by one. */
export interface EntrySource {
  next(): Step | Promise<Step>
  return?(value?: undefined): unknown
}

const DONE: Step = { done: true, value: undefined }

export const NO_ENTRIES: EntrySource = { next: () => DONE }

/** An iterator of entries that opens its source at the first step. Written by hand, because a generator costs
 *  several promises a step. */
export class EntrySteps implements AsyncIterableIterator<Entry, undefined> {
  readonly #open: () => EntrySource | Promise<EntrySource>
  #source: EntrySource | Promise<EntrySource> | undefined
  #isOver = false

  /** Does no I/O.
   *  @param open must not throw; if it rejects, so does the first step */
  constructor(open: () => EntrySource | Promise<EntrySource>) {
    this.#open = open
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  async next(): Promise<Step> {
    if (this.#isOver) return DONE
    this.#source ??= this.#open()
    const source = this.#source instanceof Promise ? await this.#source : this.#source
    this.#source = source
    return source.next()
  }

  async return(): Promise<Step> {
    this.#isOver = true
    await (await this.#source)?.return?.()
    return DONE
  }
}
