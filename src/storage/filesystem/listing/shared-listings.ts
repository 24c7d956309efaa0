import type { Dirent } from 'node:fs'
import { LRUCache } from 'lru-cache'
import type { Entry } from '../../../core/storage-driver.ts'
import { atMost } from '../../../lib/at-most.ts'
import { isName } from '../../path.ts'
import { kindOfPlain } from '../child-kind.ts'
import { plainName } from '../part-name.ts'
import { type Listing, listingOf } from './listing.ts'

const MAX_LISTINGS = 1_000
/** Of the names, with three characters for each. Digests are longer: hardly two folders contain the same. */
const MAX_KEY_LENGTH = 64

/** Listings of folders without links. Folders with the same few entries share one: most repositories contain the same three
 *  folders. */
export class SharedListings {
  readonly #known = new LRUCache<string, Listing>(atMost(MAX_LISTINGS))

  /** The listing of entries in any order. Undefined if there are links to be resolved. */
  of(dirents: readonly Dirent[]): Listing | undefined {
    const key = keyOf(dirents)
    const known = key === undefined ? undefined : this.#known.get(key)
    if (known !== undefined) return known
    const entries = entriesOf(dirents)
    const listing = entries && listingOf(entries, { isShared: key !== undefined })
    if (key !== undefined && listing !== undefined) this.#known.set(key, listing)
    return listing
  }
}

export function inOrder(one: Entry, other: Entry): number {
  return one.name < other.name ? -1 : 1
}

function entriesOf(dirents: readonly Dirent[]): Entry[] | undefined {
  const entries: Entry[] = []
  for (const dirent of dirents) {
    if (dirent.isSymbolicLink()) return undefined
    const name = plainName(dirent)
    const kind = isName(name) ? kindOfPlain(dirent) : undefined
    if (kind !== undefined) entries.push({ name, kind })
  }
  return entries.sort(inOrder)
}

/** Undefined if the listing is not to be shared. */
function keyOf(dirents: readonly Dirent[]): string | undefined {
  let key = ''
  for (const dirent of dirents) {
    if (dirent.isDirectory()) key += `d/${dirent.name}/`
    else if (dirent.isFile()) key += `f/${dirent.name}/`
    else return undefined
    if (key.length > MAX_KEY_LENGTH) return undefined
  }
  return key
}
