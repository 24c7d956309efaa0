import { randomUUID } from 'node:crypto'
import { isPathNotFound } from '../../core/errors.ts'
import type { StorageDriver } from '../../core/storage-driver.ts'
import type { Usage } from './usage.ts'

/** Folder of the mirrors' bookkeeping, which Distribution ignores. */
export const MIRROR_FILES = '/docker/registry/v2/mirror'
const NOTES = `${MIRROR_FILES}/access/notes`
const SUM = `${MIRROR_FILES}/access/sum`

/** Times of the last use, in milliseconds since 1970, by `<repository>@<digest>`. */
export type LastUses = Map<string, number>

/** The times of last use of all processes, on storage. Each process writes notes under unique names; the
 *  evicting process merges them into a sum and removes the merged notes. No process overwrites a note of
 *  another one. */
export class AccessLog {
  readonly #storage: StorageDriver
  readonly #usage: Usage

  constructor(storage: StorageDriver, usage: Usage) {
    this.#storage = storage
    this.#usage = usage
  }

  /** Stores the uses by this process since the previous note. */
  async writeNote(): Promise<void> {
    const used = this.#usage.take()
    if (used.size === 0) return
    await this.#storage.put(`${NOTES}/${randomUUID()}`, encoded(used))
  }

  /** Adds the notes of all processes up. Notes remain until `settle`. */
  async read(): Promise<{ uses: LastUses; notes: string[] }> {
    const uses = await this.#read(SUM)
    const notes: string[] = []
    for await (const { name } of this.#storage.list(NOTES)) notes.push(`${NOTES}/${name}`)
    for (const note of notes) {
      for (const [key, usedAt] of await this.#read(note)) uses.set(key, Math.max(usedAt, uses.get(key) ?? 0))
    }
    return { uses, notes }
  }

  /** Stores the sum, then removes the notes that it includes. */
  async settle(uses: LastUses, notes: readonly string[]): Promise<void> {
    await this.#storage.put(SUM, encoded(uses))
    for (const note of notes) await this.#storage.delete(note, { durable: false })
  }

  /** Reads a note or the sum. A damaged file counts as empty. */
  async #read(path: string): Promise<LastUses> {
    try {
      const found: unknown = JSON.parse(Buffer.from(await this.#storage.get(path)).toString())
      const entries = Object.entries(Object(found)).filter(([, at]) => Number.isFinite(at))
      return new Map(entries as [string, number][])
    } catch (error) {
      if (isPathNotFound(error) || error instanceof SyntaxError) return new Map()
      throw error
    }
  }
}

function encoded(uses: LastUses): Uint8Array {
  return Buffer.from(JSON.stringify(Object.fromEntries(uses)))
}
