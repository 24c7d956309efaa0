/** Entries that are removed soon after they were added, such as requests that are being answered.
 *
 *  V8 links the table of a `Map` or `Set` that is full of removed entries to the table that takes its place, and leaves in it what
 *  was there. Once one such table has reached the old generation, a collection of the young one keeps all the following tables with
 *  their entries, until the next full collection: up to a fifth of the time of a server. So entries move into a new table of their own now
 *  and then, which nothing old refers to. */
const REMOVALS_PER_TABLE = 1024

export class TransientMap<Key, Value> {
  #entries = new Map<Key, Value>()
  #removals = 0

  get size(): number {
    return this.#entries.size
  }

  get(key: Key): Value | undefined {
    return this.#entries.get(key)
  }

  set(key: Key, value: Value): void {
    this.#entries.set(key, value)
  }

  delete(key: Key): void {
    if (this.#entries.delete(key) && ++this.#removals % REMOVALS_PER_TABLE === 0)
      this.#entries = new Map(this.#entries)
  }

  keys(): Iterable<Key> {
    return this.#entries.keys()
  }

  values(): Iterable<Value> {
    return this.#entries.values()
  }
}

export class TransientSet<Value> {
  #values = new Set<Value>()
  #removals = 0

  has(value: Value): boolean {
    return this.#values.has(value)
  }

  add(value: Value): void {
    this.#values.add(value)
  }

  delete(value: Value): void {
    if (this.#values.delete(value) && ++this.#removals % REMOVALS_PER_TABLE === 0)
      this.#values = new Set(this.#values)
  }

  [Symbol.iterator](): Iterator<Value> {
    return this.#values[Symbol.iterator]()
  }
}
