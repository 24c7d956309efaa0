import { isRepositoryName, type RepositoryName } from '../../core/reference.ts'
import type { Page } from '../../core/registry.ts'
import type { StorageDriver } from '../../core/storage-driver.ts'
import { childrenOf, openRepositoryDirectory, type RepositoryDirectory } from './repository-directory.ts'

export interface CatalogOptions extends Page {
  /** Which of `_manifests`, `_layers` and `_uploads` make a folder count; one is enough. */
  kept: readonly string[]
}

/** What makes a folder a repository: Distribution 3 asks for the first, Distribution 2 for the second. */
export const REPOSITORY_MARKS = ['_manifests', '_layers'] as const

/** Every repository's name in byte order, found by walking the folders. A walk in the folders' order would not do:
 *  `a/b` is found inside `a`, yet stands behind `a-b`. */
export async function* repositoryNames(
  storage: StorageDriver,
  { after = '', kept }: CatalogOptions,
): AsyncIterable<RepositoryName> {
  const walk = new Walk(storage, after)
  try {
    for (;;) {
      const folder = await walk.next()
      if (folder === undefined) return
      if (kept.some((mark) => folder.kept.has(mark))) yield folder.name as RepositoryName
    }
  } finally {
    await walk.close()
  }
}

/** How many folders are opened at once: more with every name that is asked for, so that who asks for few costs little. */
const FIRST_CONCURRENCY = 4
const MOST_CONCURRENCY = 24

/** A place in the order of names: that of a folder's own name, or that of all the names below it. */
interface Place {
  readonly folder: FoundFolder
  readonly isBelow: boolean
}

/** The folders behind a name, in the byte order of their names, each opened some time before it is asked for: those at the
 *  next places are opened together, wherever in the tree they are. */
class Walk {
  readonly #storage: StorageDriver
  readonly #after: string
  /** The next places in order; an iterator stands for those that it gives. */
  readonly #ahead: (Place | AsyncIterator<Place>)[]
  #opening = 0
  #concurrency = FIRST_CONCURRENCY

  constructor(storage: StorageDriver, after: string) {
    this.#storage = storage
    this.#after = after
    this.#ahead = [this.#placesBelow('', undefined)]
  }

  /** Undefined behind the last. */
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
      this.#ahead.unshift(this.#placesBelow(`${opened.name}/`, opened.children))
    }
  }

  /** Ends the listings that have not come to their ends. */
  async close(): Promise<void> {
    for (const one of this.#ahead) if (!isPlace(one)) await one.return?.()
  }

  /** Has the folders at the next places opened: of about as many names as are opened at once, each with what is below it.
   *  The first of them is a place then, if there is any. */
  async #lookAhead(): Promise<void> {
    const ahead = this.#ahead
    let index = 0
    const end = 2 * this.#concurrency
    while (index < Math.min(ahead.length, end) && (index === 0 || this.#opening < this.#concurrency)) {
      const one = ahead[index] as Place | AsyncIterator<Place>
      if (!isPlace(one)) {
        const { value, done } = await one.next()
        if (done) ahead.splice(index, 1)
        else ahead.splice(index, 0, value)
      } else if (one.isBelow && one.folder.opened !== undefined) {
        const { name, children } = one.folder.opened
        ahead.splice(index, 1, ...(children?.length === 0 ? [] : [this.#placesBelow(`${name}/`, children)]))
      } else {
        this.#open(one.folder).catch(() => undefined) // whoever comes to its place sees the error
        index++
      }
    }
  }

  #open(folder: FoundFolder): Promise<RepositoryDirectory> {
    folder.opening ??= this.#opened(folder)
    return folder.opening
  }

  async #opened(folder: FoundFolder): Promise<RepositoryDirectory> {
    this.#opening++
    try {
      folder.opened = await openRepositoryDirectory(this.#storage, folder.name)
      return folder.opened
    } finally {
      this.#opening--
    }
  }

  /** @param children as far as they are known already */
  #placesBelow(prefix: string, children: readonly string[] | undefined): AsyncIterator<Place> {
    const place = this.#after.startsWith(prefix) ? this.#after.slice(prefix.length) : ''
    const after = NAME_CHARACTERS.exec(place)?.[0] ?? ''
    const behind =
      children?.filter((child) => child > after) ?? childrenOf(this.#storage, prefix.slice(0, -1), { after })
    return placesOf(behind, { prefix, after: this.#after, before: prefixesOf(after) })
  }
}

/** What a name in a folder consists of. */
const NAME_CHARACTERS = /^[a-z0-9._-]*/

/** A folder that is opened once, for both of its places. */
class FoundFolder {
  readonly name: string
  opening: Promise<RepositoryDirectory> | undefined
  opened: RepositoryDirectory | undefined

  constructor(name: string) {
    this.name = name
  }
}

function isPlace(one: Place | AsyncIterator<Place>): one is Place {
  return 'folder' in one
}

/** The places of the children of a folder in the order of the full names. The names below `a` come behind `a-b` and `a.b`:
 *  what waits for its place meanwhile are names that begin with each other.
 *  @param options.before names that the children come behind, below which there may be names behind `after` all the same */
async function* placesOf(
  children: AsyncIterable<string> | Iterable<string>,
  { prefix, after, before }: { prefix: string; after: string; before: readonly string[] },
): AsyncGenerator<Place, undefined> {
  const waiting: FoundFolder[] = []
  const wait = (folder: FoundFolder) => {
    if (isRepositoryName(folder.name) && mayHoldBehind(`${folder.name}/`, after)) waiting.push(folder)
  }
  for (const name of before) wait(new FoundFolder(prefix + name))
  for await (const child of children) {
    const folder = new FoundFolder(prefix + child)
    while (waiting.length > 0 && `${waiting.at(-1)?.name}/` < folder.name)
      yield { folder: waiting.pop() as FoundFolder, isBelow: true }
    if (folder.name > after && isRepositoryName(folder.name)) yield { folder, isBelow: false }
    wait(folder)
  }
  for (const folder of waiting.reverse()) yield { folder, isBelow: true }
}

/** What a name begins with, shortest first, and the name itself. */
function prefixesOf(name: string): string[] {
  return Array.from({ length: name.length }, (_, index) => name.slice(0, index + 1))
}

/** True unless every name that begins with the prefix stands before `after`. */
function mayHoldBehind(prefix: string, after: string): boolean {
  return prefix > after || after.startsWith(prefix)
}
