import { randomUUID } from 'node:crypto'
import type { StorageDriver } from '../../core/storage-driver.ts'
import { ANNOUNCED_FOLDER } from './announced-files.ts'

/** A file with more is not added to any more. */
const MAX_CHANGES = 256
const MAX_BYTES = 64 * 1024

/** The files of changes that this process announces. It adds to the last of them, until that is long. */
export class OwnAnnouncements {
  readonly #storage: Pick<StorageDriver, 'put' | 'delete'>
  readonly #process = randomUUID()
  /** Oldest first. */
  readonly #files: OwnFile[] = []
  #number = 0

  constructor(storage: Pick<StorageDriver, 'put' | 'delete'>) {
    this.#storage = storage
  }

  /** @param key of a file */
  has(key: string): boolean {
    return key.startsWith(this.#process)
  }

  /** @param changes as text. What an error kept from storage is written with the next ones
   *  @throws StorageError */
  async add(changes: readonly string[]): Promise<void> {
    for (const change of changes) this.#open().add(change)
    for (const file of this.#files) if (file.isChanged) await this.#write(file)
  }

  /** Removes files without a change for so long.
   *  @throws StorageError */
  async removeOld(milliseconds: number): Promise<void> {
    const before = performance.now() - milliseconds
    for (
      let [oldest] = this.#files;
      oldest !== undefined && oldest.changedAt <= before;
      [oldest] = this.#files
    ) {
      await this.#remove(oldest)
      this.#files.shift()
    }
  }

  #open(): OwnFile {
    const last = this.#files.at(-1)
    if (last !== undefined && !last.isLong) return last
    const file = new OwnFile(`${ANNOUNCED_FOLDER}/${this.#process}-${++this.#number}`)
    this.#files.push(file)
    return file
  }

  async #write(file: OwnFile): Promise<void> {
    const { path, content } = file
    file.paths.add(path)
    await this.#storage.put(path, content, { durable: false })
    file.isChanged = false
    await this.#remove(file, path)
  }

  /** Removes all paths of a file but one. */
  async #remove({ paths }: OwnFile, kept?: string): Promise<void> {
    for (const path of paths) {
      if (path === kept) continue
      await this.#storage.delete(path, { durable: false })
      paths.delete(path)
    }
  }
}

class OwnFile {
  isChanged = false
  changedAt = performance.now()
  /** Those that may be on storage: one, while no write has failed. */
  readonly paths = new Set<string>()
  readonly #prefix: string
  readonly #changes: string[] = []
  #bytes = 0

  constructor(prefix: string) {
    this.#prefix = prefix
  }

  get path(): string {
    return `${this.#prefix}-${this.#changes.length}`
  }

  get content(): Uint8Array {
    return Buffer.from(`[${this.#changes.join(',\n')}]`)
  }

  get isLong(): boolean {
    return this.#changes.length >= MAX_CHANGES || this.#bytes >= MAX_BYTES
  }

  add(change: string): void {
    this.#changes.push(change)
    this.#bytes += change.length
    this.isChanged = true
    this.changedAt = performance.now()
  }
}
