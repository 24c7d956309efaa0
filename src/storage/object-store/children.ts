import type { Entry } from '../../core/storage-driver.ts'
import { isName } from '../path.ts'

/** A page of a listing with a delimiter, in the store's order: byte order of keys, where a folder counts as
 *  `name/`. */
export interface KeyPage {
  /** The rest of the keys after the folder's own; folders end in `/`. */
  readonly keys: readonly string[]
}

export interface OrderedEntriesOptions {
  /** Only names after this one. */
  readonly after: string
  /** Asks the store if a folder of this name exists. */
  readonly isFolder: (name: string) => Promise<boolean>
}

/** Limit of names that wait for a possible folder. */
const MAX_HELD = 5_000

/** The children in byte order of their names. By keys the folder `a`, as `a/`, comes after `a-1` and `a.1`,
 *  so those wait until the listing has passed `a/`; if too many wait, the store is asked if the folder
 *  exists. Names that are no path components are omitted. */
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

/** Entries in order of their names, and the position of the listing. */
class HeldEntries {
  /** The first `#freed` of them were yielded already. */
  #entries: Entry[] = []
  #freed = 0
  #lastKey = ''
  #isOver = false
  /** Folders that the store was asked for, existing or not, by their keys. */
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

  /** Records whether a folder exists. */
  settle(name: string, isThere: boolean): void {
    this.#settled.add(`${name}/`)
    if (isThere) this.#insert({ name, kind: 'folder' })
  }

  end(): void {
    this.#isOver = true
  }

  /** The entries that no later one can precede. */
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

  /** Folders that may still come and precede the name: its prefixes that end before a character less than
   *  `/`. */
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
