import type { Entry } from '../../core/storage-driver.ts'
import { isName } from '../path.ts'

/** A page of a delimiter listing, in the store's order: the byte order of keys, in which a folder stands as `name/`. */
export interface KeyPage {
  /** What follows the listed folder's own key; a folder ends in `/`. */
  readonly keys: readonly string[]
}

export interface OrderedEntriesOptions {
  /** Only names that come behind this one. */
  readonly after: string
  /** Asks the store whether there is a folder of this name. */
  readonly isFolder: (name: string) => Promise<boolean>
}

/** How many names wait at most for a folder that may come late. */
const MAX_HELD = 5_000

/** The children in byte order of their names. In the order of keys the folder `a`, as `a/`, comes behind `a-1` and `a.1`,
 *  so those wait until the listing has passed the place of `a/`, or, when too many wait, until the store was asked for it.
 *  Names that no path can have are left out. */
export async function* orderedEntries(
  pages: AsyncIterable<KeyPage>,
  { after, isFolder }: OrderedEntriesOptions,
): AsyncIterable<Entry> {
  const held = new HeldEntries()
  for await (const { keys } of pages) {
    for (const key of keys) held.add(key, after)
    yield* held.free()
    while (held.size > MAX_HELD) {
      const awaited = held.awaited()
      const found = await Promise.all(awaited.map(isFolder))
      for (const [index, name] of awaited.entries()) held.settle(name, found[index] === true && name > after)
      yield* held.free()
    }
  }
  held.end()
  yield* held.free()
}

/** Entries in the order of their names, and how far the listing has come. */
class HeldEntries {
  /** The first `#freed` of them are out already. */
  #entries: Entry[] = []
  #freed = 0
  #lastKey = ''
  #isOver = false
  /** Folders of which the store was asked, whether they are there or not, by the key at which they would come. */
  readonly #settled = new Set<string>()

  get size(): number {
    return this.#entries.length - this.#freed
  }

  add(key: string, after: string): void {
    this.#lastKey = key
    const isFolder = key.endsWith('/')
    const name = isFolder ? key.slice(0, -1) : key
    if (this.#settled.delete(key) || name <= after || !isName(name)) return
    this.#insert({ name, kind: isFolder ? 'folder' : 'file' })
  }

  /** Takes what the store has said of a folder that may come. */
  settle(name: string, isThere: boolean): void {
    this.#settled.add(`${name}/`)
    if (isThere) this.#insert({ name, kind: 'folder' })
  }

  end(): void {
    this.#isOver = true
  }

  /** What nothing that is still to come can precede. */
  *free(): Iterable<Entry> {
    let first = this.#entries[this.#freed]
    while (first !== undefined && (this.#isOver || this.#blockers(first.name).length === 0)) {
      this.#freed++
      yield first
      first = this.#entries[this.#freed]
    }
    this.#entries = this.#entries.slice(this.#freed)
    this.#freed = 0
  }

  /** The folders that the first entry waits for. */
  awaited(): string[] {
    const first = this.#entries[this.#freed]
    return first === undefined ? [] : this.#blockers(first.name)
  }

  /** The folders that may still come and stand before the name: in front of it, up to a character that is less than `/`. */
  #blockers(name: string): string[] {
    const blockers: string[] = []
    for (let end = 1; end < name.length; end++) {
      if (name[end] !== '-' && name[end] !== '.') continue
      const folder = name.slice(0, end)
      const key = `${folder}/`
      if (key > this.#lastKey && !this.#settled.has(key) && isName(folder)) blockers.push(folder)
    }
    return blockers
  }

  #insert(entry: Entry): void {
    let place = this.#entries.length
    while (place > this.#freed && (this.#entries[place - 1] as Entry).name > entry.name) place--
    this.#entries.splice(place, 0, entry)
  }
}
