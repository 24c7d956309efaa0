import type { Entry } from '../../../core/storage-driver.ts'

/** The children of a folder in byte order of their names. */
export interface Listing {
  readonly length: number
  /** Approximate memory, unless it is shared with others. */
  readonly byteCount: number
  entryAt(index: number): Entry
  /** All entries. */
  readonly entries: Iterable<Entry>
}

/** Creates a listing.
 *  @param entries in order; duplicates of names are dropped
 *  @param options.isShared true for one of several folders, with few entries */
export function listingOf(entries: readonly Entry[], { isShared = false } = {}): Listing {
  const distinct = entries.filter(({ name }, index) => name !== entries[index - 1]?.name)
  return distinct.length <= MAX_PLAIN ? new PlainListing(distinct, isShared) : new PackedListing(distinct)
}

/** Index of the first name after this one. */
export function indexAfter(listing: Listing, name: string): number {
  let low = 0
  let high = listing.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if (listing.entryAt(middle).name > name) high = middle
    else low = middle + 1
  }
  return low
}

/** The entries after a name. */
export function entriesAfter(listing: Listing, name: string): Generator<Entry, undefined> {
  return entriesFrom(listing, name === '' ? 0 : indexAfter(listing, name))
}

function* entriesFrom(listing: Listing, start: number): Generator<Entry, undefined> {
  for (let index = start; index < listing.length; index++) yield listing.entryAt(index)
}

/** Longer listings are packed. */
const MAX_PLAIN = 64
/** Overhead of a listing, and of an entry. */
const LISTING_BYTES = 80
const ENTRY_BYTES = 80

class PlainListing implements Listing {
  readonly entries: readonly Entry[]
  readonly byteCount: number

  constructor(entries: readonly Entry[], isShared: boolean) {
    this.entries = entries
    this.byteCount = isShared ? 0 : LISTING_BYTES + ENTRY_BYTES * entries.length
  }

  get length(): number {
    return this.entries.length
  }

  entryAt(index: number): Entry {
    return this.entries[index] as Entry
  }
}

/** A listing in little memory: a name needs its length and five bytes. */
class PackedListing implements Listing {
  /** All names, concatenated. */
  readonly #names: string
  /** The end of each name. */
  readonly #ends: Uint32Array
  /** 1 for a folder. */
  readonly #kinds: Uint8Array

  constructor(entries: readonly Entry[]) {
    this.#names = Buffer.from(entries.map(({ name }) => name).join(''), 'latin1').toString('latin1')
    this.#ends = new Uint32Array(entries.length)
    this.#kinds = Uint8Array.from(entries, ({ kind }) => (kind === 'folder' ? 1 : 0))
    let end = 0
    for (const [index, { name }] of entries.entries()) {
      end += name.length
      this.#ends[index] = end
    }
  }

  get length(): number {
    return this.#ends.length
  }

  get entries(): Iterable<Entry> {
    return entriesFrom(this, 0)
  }

  get byteCount(): number {
    return LISTING_BYTES + this.#names.length + 5 * this.length
  }

  entryAt(index: number): Entry {
    const name = this.#names.slice(index === 0 ? 0 : this.#ends[index - 1], this.#ends[index])
    return { name, kind: this.#kinds[index] === 1 ? 'folder' : 'file' }
  }
}
