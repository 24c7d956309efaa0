import type { Entry, ListOptions, PutOptions, StorageDriver } from '../../core/storage-driver.ts'

/** Small files and their folders. */
export type SmallFiles = Pick<StorageDriver, 'get' | 'put' | 'list' | 'settle'>

/** Read-only storage, with files over it that are kept in memory until the process ends. */
export class Overlay implements SmallFiles {
  readonly #storage: SmallFiles
  readonly #files = new Map<string, Uint8Array>()
  readonly #folders = new Map<string, Set<string>>()

  constructor(storage: SmallFiles) {
    this.#storage = storage
  }

  async get(path: string): Promise<Uint8Array> {
    return this.#files.get(path) ?? this.#storage.get(path)
  }

  async put(path: string, content: Uint8Array, { after }: PutOptions = {}): Promise<void> {
    await after
    this.#files.set(path, content)
    this.#enter(path)
  }

  /** Does nothing: files in memory can't be durable, and the others were written by another process. */
  async settle(): Promise<void> {}

  async *list(folder: string, options: ListOptions = {}): AsyncIterable<Entry> {
    const over = this.#childrenOf(folder, options)
    let next = 0
    for await (const entry of this.#storage.list(folder, options)) {
      for (; next < over.length && (over[next] as Entry).name < entry.name; next++) yield over[next] as Entry
      if (over[next]?.name === entry.name) next++
      yield entry
    }
    yield* over.slice(next)
  }

  #childrenOf(folder: string, { after = '' }: ListOptions): readonly Entry[] {
    const names = [...(this.#folders.get(folder) ?? [])].filter((name) => name > after).sort()
    return names.map((name) => ({ name, kind: this.#files.has(`${folder}/${name}`) ? 'file' : 'folder' }))
  }

  /** Adds the path to its folder, and so on up. */
  #enter(path: string): void {
    const slash = path.lastIndexOf('/')
    if (slash <= 0) return
    const folder = path.slice(0, slash)
    const children = this.#folders.get(folder) ?? new Set()
    children.add(path.slice(slash + 1))
    if (this.#folders.has(folder)) return
    this.#folders.set(folder, children)
    this.#enter(folder)
  }
}
