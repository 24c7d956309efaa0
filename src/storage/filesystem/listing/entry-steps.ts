import type { Entry } from '../../../core/storage-driver.ts'
import { indexAfter, type Listing } from './listing.ts'

type Step = IteratorResult<Entry, undefined>

/** Gives entries one by one. */
export interface EntrySource {
  next(): Step | Promise<Step>
  return?(value?: undefined): unknown
}

const DONE: Step = { done: true, value: undefined }

export const NO_ENTRIES: EntrySource = { next: () => DONE }

/** Those of a listing behind a name. */
export function entriesBehind(listing: Listing, after: string): EntrySource {
  let index = after === '' ? 0 : indexAfter(listing, after)
  return { next: () => (index < listing.length ? { value: listing.entryAt(index++) } : DONE) }
}

/** The entries of a source that is opened by the first step. By hand: a generator costs several promises a step. */
export class EntrySteps implements AsyncIterableIterator<Entry, undefined> {
  readonly #open: () => EntrySource | Promise<EntrySource>
  #source: EntrySource | Promise<EntrySource> | undefined
  #isOver = false

  /** @param open must not throw; what it rejects with, the first step rejects with */
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
