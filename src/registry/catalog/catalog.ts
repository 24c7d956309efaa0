import { setImmediate as nextTurn } from 'node:timers/promises'
import { isRepositoryName, type RepositoryName } from '../../core/reference.ts'
import type { Page } from '../../core/registry.ts'
import type { StorageDriver } from '../../core/storage-driver.ts'
import {
  childrenOf,
  openRepositoryDirectory,
  peekRepositoryDirectory,
  type RepositoryDirectory,
} from './repository-directory.ts'

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
      if (kept.some((mark) => folder.kept.has(mark))) yield folder.name as RepositoryName
    }
  } finally {
    await walk.close()
  }
}

/** Folders opened concurrently. Grows with the number of names read, so that short pages cost little. */
const FIRST_CONCURRENCY = 4
const MOST_CONCURRENCY = 24

/** A position in the order of names: a folder's own name, or all names below it. */
interface Place {
  readonly folder: FoundFolder
  readonly isBelow: boolean
}

type Places = Generator<Place, undefined> | AsyncGenerator<Place, undefined>

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
  peek(): RepositoryDirectory | undefined {
    const ahead = this.#ahead
    for (let one = ahead[0]; one !== undefined; one = ahead[0]) {
      if (isPlace(one)) {
        const opened = this.#peekInto(one.folder)
        if (opened === undefined) return undefined
        ahead.shift()
        this.#isQuick = true
        if (!one.isBelow) return opened
        if (opened.children?.length !== 0) ahead.unshift(this.#placesIn(opened))
      } else {
        if (!isSynchronous(one)) return undefined
        const { value, done } = one.next()
        if (done) ahead.shift()
        else ahead.unshift(value)
      }
    }
    return undefined
  }

  /** The same in another turn of the event loop, if this one has taken its share of time. */
  async peekLater(): Promise<RepositoryDirectory | undefined> {
    if (!this.#isQuick) return undefined
    this.#isQuick = false
    await nextTurn()
    return this.peek()
  }

  /** The next folder. Undefined at the end. */
  async next(): Promise<RepositoryDirectory | undefined> {
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
        const { value, done } = await one.next()
        if (done) ahead.splice(index, 1)
        else ahead.splice(index, 0, value)
      } else if (one.isBelow && one.folder.opened !== undefined) {
        const { opened } = one.folder
        ahead.splice(index, 1, ...(opened.children?.length === 0 ? [] : [this.#placesIn(opened)]))
      } else {
        this.#open(one.folder).catch(() => undefined) // thrown again at its position
        index++
      }
    }
  }

  /** Where the storage can't tell at once, what is opened ahead is waited for in its turn: those behind it have to be opened, too. */
  #peekInto(folder: FoundFolder): RepositoryDirectory | undefined {
    if (folder.opening === undefined && folder.opened !== undefined) return folder.opened
    const peeked = peekRepositoryDirectory(this.#storage, folder.name)
    if (peeked !== undefined) folder.opened = peeked
    return peeked
  }

  #open(folder: FoundFolder): Promise<RepositoryDirectory> {
    folder.opening ??= this.#opened(folder)
    return folder.opening
  }

  async #opened(folder: FoundFolder): Promise<RepositoryDirectory> {
    this.#opening++
    try {
      folder.opened ??= await openRepositoryDirectory(this.#storage, folder.name)
      return folder.opened
    } finally {
      this.#opening--
    }
  }

  #placesIn({ name, children }: RepositoryDirectory): Places {
    return this.#placesBelow(`${name}/`, children)
  }

  /** The positions below a prefix.
   *  @param children as far as they are known */
  #placesBelow(prefix: string, children: readonly string[] | undefined): Places {
    const place = this.#after.startsWith(prefix) ? this.#after.slice(prefix.length) : ''
    const after = NAME_CHARACTERS.exec(place)?.[0] ?? ''
    const behind =
      children?.filter((child) => child > after) ?? childrenOf(this.#storage, prefix.slice(0, -1), { after })
    const order = new PlaceOrder({ prefix, after: this.#after, before: prefixesOf(after) })
    return Symbol.iterator in behind ? placesAmong(behind, order) : listedPlaces(behind, order)
  }
}

/** The characters of a path component. */
const NAME_CHARACTERS = /^[a-z0-9._-]*/

/** A folder that is opened once for both of its positions. */
class FoundFolder {
  readonly name: string
  opening: Promise<RepositoryDirectory> | undefined
  opened: RepositoryDirectory | undefined

  constructor(name: string) {
    this.name = name
  }
}

function isPlace(one: Place | Places): one is Place {
  return 'folder' in one
}

function isSynchronous(places: Places): places is Generator<Place, undefined> {
  return Symbol.iterator in places
}

function* placesAmong(children: Iterable<string>, order: PlaceOrder): Generator<Place, undefined> {
  for (const child of children) yield* order.add(child)
  yield* order.rest()
}

async function* listedPlaces(
  children: AsyncIterable<string>,
  order: PlaceOrder,
): AsyncGenerator<Place, undefined> {
  for await (const child of children) yield* order.add(child)
  yield* order.rest()
}

/** Puts the positions of a folder's children into the order of full names. Names below `a` come after `a-b` and
 *  `a.b`; pending are only names that are prefixes of each other. */
class PlaceOrder {
  readonly #prefix: string
  readonly #after: string
  readonly #pending: FoundFolder[] = []

  /** @param options.before names before the children, below which there may be names after `after` */
  constructor({ prefix, after, before }: { prefix: string; after: string; before: readonly string[] }) {
    this.#prefix = prefix
    this.#after = after
    for (const name of before) this.#wait(new FoundFolder(prefix + name))
  }

  /** The positions up to the next child. */
  *add(child: string): Iterable<Place> {
    const folder = new FoundFolder(this.#prefix + child)
    const pending = this.#pending
    while (pending.length > 0 && `${pending.at(-1)?.name}/` < folder.name)
      yield { folder: pending.pop() as FoundFolder, isBelow: true }
    if (folder.name > this.#after && isRepositoryName(folder.name)) yield { folder, isBelow: false }
    this.#wait(folder)
  }

  /** The positions after all children. */
  *rest(): Iterable<Place> {
    for (const folder of this.#pending.reverse()) yield { folder, isBelow: true }
  }

  #wait(folder: FoundFolder): void {
    if (isRepositoryName(folder.name) && mayHoldBehind(`${folder.name}/`, this.#after))
      this.#pending.push(folder)
  }
}

/** The prefixes of a name, shortest first, and the name itself. */
function prefixesOf(name: string): string[] {
  return Array.from({ length: name.length }, (_, index) => name.slice(0, index + 1))
}

/** False if all names with the prefix are before `after`. */
function mayHoldBehind(prefix: string, after: string): boolean {
  return prefix > after || after.startsWith(prefix)
}
