import { isRepositoryName, type RepositoryName } from '../../core/reference.ts'
import type { Page } from '../../core/registry.ts'
import type { StorageDriver } from '../../core/storage-driver.ts'
import { childrenOf, openRepositoryDirectory, type RepositoryDirectory } from './repository-directory.ts'

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
      const folder = await walk.next()
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

/** Walks the folders of a repository name's prefix in byte order. Folders are opened ahead: those at the next
 *  positions concurrently, at any depth. */
class Walk {
  readonly #storage: StorageDriver
  readonly #after: string
  /** The next positions in order. An iterator stands for all the positions it yields. */
  readonly #ahead: (Place | AsyncIterator<Place>)[]
  #opening = 0
  #concurrency = FIRST_CONCURRENCY

  constructor(storage: StorageDriver, after: string) {
    this.#storage = storage
    this.#after = after
    this.#ahead = [this.#placesBelow('', undefined)]
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
      this.#ahead.unshift(this.#placesBelow(`${opened.name}/`, opened.children))
    }
  }

  /** Closes the unfinished listings. */
  async close(): Promise<void> {
    for (const one of this.#ahead) if (!isPlace(one)) await one.return?.()
  }

  /** Opens the folders at the next positions, each with what is below it: about as many names as are opened
   *  at once. Afterwards the first position is a folder, if any is left. */
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
        this.#open(one.folder).catch(() => undefined) // thrown again at its position
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

  /** The positions below a prefix.
   *  @param children as far as they are known */
  #placesBelow(prefix: string, children: readonly string[] | undefined): AsyncIterator<Place> {
    const place = this.#after.startsWith(prefix) ? this.#after.slice(prefix.length) : ''
    const after = NAME_CHARACTERS.exec(place)?.[0] ?? ''
    const behind =
      children?.filter((child) => child > after) ?? childrenOf(this.#storage, prefix.slice(0, -1), { after })
    return placesOf(behind, { prefix, after: this.#after, before: prefixesOf(after) })
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

function isPlace(one: Place | AsyncIterator<Place>): one is Place {
  return 'folder' in one
}

/** The positions of a folder's children in the order of full names. Names below `a` come after `a-b` and
 *  `a.b`; pending are only names that are prefixes of each other.
 *  @param options.before names before the children, below which there may be names after `after` */
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

/** The prefixes of a name, shortest first, and the name itself. */
function prefixesOf(name: string): string[] {
  return Array.from({ length: name.length }, (_, index) => name.slice(0, index + 1))
}

/** False if all names with the prefix are before `after`. */
function mayHoldBehind(prefix: string, after: string): boolean {
  return prefix > after || after.startsWith(prefix)
}
