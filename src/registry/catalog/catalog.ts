import { setImmediate as nextTurn } from 'node:timers/promises'
import type { RepositoryName } from '../../core/reference.ts'
import type { Page } from '../../core/registry.ts'
import type { StorageDriver } from '../../core/storage-driver.ts'
import {
  type FoundFolder,
  isOpened,
  listedPlaces,
  type OpenedFolder,
  type Place,
  PlaceOrder,
  type Places,
  PlacesAmong,
  prefixesOf,
} from './places.ts'
import { childrenOf, openRepositoryDirectory, peekRepositoryDirectory } from './repository-directory.ts'

export interface CatalogOptions extends Page {
  /** Metadata folders (`_manifests`, `_layers`, `_uploads`) that make a folder count; one is enough. */
  kept: readonly string[]
}

/** Folders that mark a repository: Distribution 3 checks the first, Distribution 2 the second. */
export const REPOSITORY_MARKS = ['_manifests', '_layers'] as const

/** Every repository's name in byte order, by walking the folders. A plain depth-first walk has another order:
 *  `a/b` is inside `a`, but comes after `a-b`. */
export async function* repositoryNames(
  storage: StorageDriver,
  { after = '', kept }: CatalogOptions,
): AsyncIterable<RepositoryName> {
  const walk = new Walk(storage, after)
  try {
    for (;;) {
      const folder = walk.peek() ?? (await walk.peekLater()) ?? (await walk.next())
      if (folder === undefined) return
      if (hasAny(folder.opened.kept, kept)) yield folder.name as RepositoryName
    }
  } finally {
    await walk.close()
  }
}

function hasAny(found: readonly string[], wanted: readonly string[]): boolean {
  for (const one of wanted) if (found.includes(one)) return true
  return false
}

/** Folders opened concurrently. Grows with the number of names read, so that short pages cost little. */
const FIRST_CONCURRENCY = 4
const MOST_CONCURRENCY = 24

/** Walks the folders of a repository name's prefix in byte order. Folders are opened at once if the storage can
 *  do that; otherwise ahead: those at the next positions concurrently, at any depth. */
class Walk {
  readonly #storage: StorageDriver
  readonly #after: string
  /** The next positions in order. An iterator stands for all the positions it yields. */
  readonly #ahead: (Place | Places)[]
  #opening = 0
  /** True if the last folders were opened at once. */
  #isQuick = false
  #concurrency = FIRST_CONCURRENCY

  constructor(storage: StorageDriver, after: string) {
    this.#storage = storage
    this.#after = after
    this.#ahead = [this.#placesBelow('', undefined)]
  }

  /** The next folder, if it can be opened at once. */
  peek(): OpenedFolder | undefined {
    const ahead = this.#ahead
    for (let one = ahead[0]; one !== undefined; one = ahead[0]) {
      if (isPlace(one)) {
        const { folder } = one
        if (!this.#peekInto(folder)) return undefined
        ahead.shift()
        this.#isQuick = true
        if (!one.isBelow) return folder
        if (folder.opened.children?.length !== 0) ahead.unshift(this.#placesIn(folder))
      } else {
        if (!(one instanceof PlacesAmong)) return undefined
        const place = one.next()
        if (place === undefined) ahead.shift()
        else ahead.unshift(place)
      }
    }
    return undefined
  }

  /** The same in another turn of the event loop, if this one has taken its share of time. */
  async peekLater(): Promise<OpenedFolder | undefined> {
    if (!this.#isQuick) return undefined
    this.#isQuick = false
    await nextTurn()
    return this.peek()
  }

  /** The next folder. Undefined at the end. */
  async next(): Promise<OpenedFolder | undefined> {
    for (;;) {
      await this.#lookAhead()
      const place = this.#ahead.shift() as Place | undefined
      if (place === undefined) return undefined
      const opened = await this.#open(place.folder)
      if (!place.isBelow) {
        this.#concurrency = Math.min(this.#concurrency + 1, MOST_CONCURRENCY)
        return opened
      }
      this.#ahead.unshift(this.#placesIn(opened))
    }
  }

  /** Closes the unfinished listings. */
  async close(): Promise<void> {
    for (const one of this.#ahead) if (!isPlace(one)) await one.return(undefined)
  }

  /** Opens the folders at the next positions, each with what is below it: about as many names as are opened
   *  at once. Afterwards the first position is a folder, if any is left. */
  async #lookAhead(): Promise<void> {
    const ahead = this.#ahead
    let index = 0
    const end = 2 * this.#concurrency
    while (index < Math.min(ahead.length, end) && (index === 0 || this.#opening < this.#concurrency)) {
      const one = ahead[index] as Place | Places
      if (!isPlace(one)) {
        const place = one instanceof PlacesAmong ? one.next() : (await one.next()).value
        if (place === undefined) ahead.splice(index, 1)
        else ahead.splice(index, 0, place)
      } else if (one.isBelow && isOpened(one.folder)) {
        const { folder } = one
        ahead.splice(index, 1, ...(folder.opened.children?.length === 0 ? [] : [this.#placesIn(folder)]))
      } else {
        this.#open(one.folder).catch(() => undefined) // thrown again at its position
        index++
      }
    }
  }

  /** Where the storage can't tell at once, what is opened ahead is waited for in its turn: those behind it have to be opened, too. */
  #peekInto(folder: FoundFolder): folder is OpenedFolder {
    if (folder.opening === undefined && folder.opened !== undefined) return true
    const peeked = peekRepositoryDirectory(this.#storage, folder.name)
    if (peeked !== undefined) folder.opened = peeked
    return peeked !== undefined
  }

  #open(folder: FoundFolder): Promise<OpenedFolder> {
    folder.opening ??= this.#opened(folder)
    return folder.opening
  }

  async #opened(folder: FoundFolder): Promise<OpenedFolder> {
    this.#opening++
    try {
      folder.opened ??= await openRepositoryDirectory(this.#storage, folder.name)
      return folder as OpenedFolder
    } finally {
      this.#opening--
    }
  }

  #placesIn({ name, opened }: OpenedFolder): Places {
    return this.#placesBelow(`${name}/`, opened.children)
  }

  /** The positions below a prefix.
   *  @param children as far as they are known */
  #placesBelow(prefix: string, children: readonly string[] | undefined): Places {
    const place = this.#after.startsWith(prefix) ? this.#after.slice(prefix.length) : ''
    const after = NAME_CHARACTERS.exec(place)?.[0] ?? ''
    const behind =
      children?.filter((child) => child > after) ?? childrenOf(this.#storage, prefix.slice(0, -1), { after })
    const order = new PlaceOrder({ prefix, after: this.#after, before: prefixesOf(after) })
    return Symbol.iterator in behind ? new PlacesAmong(behind, order) : listedPlaces(behind, order)
  }
}

/** The characters of a path component. */
const NAME_CHARACTERS = /^[a-z0-9._-]*/

function isPlace(one: Place | Places): one is Place {
  return 'folder' in one
}
