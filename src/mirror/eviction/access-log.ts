import { randomUUID } from 'node:crypto'
import { isPathNotFound } from '../../core/errors.ts'
import type { StorageDriver } from '../../core/storage-driver.ts'
import type { Usage } from './usage.ts'

/** Where mirrors keep what they know of their content; Distribution looks at none of it. */
export const MIRROR_FILES = '/docker/registry/v2/mirror'
const NOTES = `${MIRROR_FILES}/access/notes`
const SUM = `${MIRROR_FILES}/access/sum`

/** When content was used last, in milliseconds since 1970, by `<repository>@<digest>`. */
export type LastUses = Map<string, number>

/** What all processes know of the use of content. Each writes notes of its own, under names that no other has;
 *  whoever evicts adds them up and removes those that it has added. */
export class AccessLog {
  readonly #storage: StorageDriver
  readonly #usage: Usage

  constructor(storage: StorageDriver, usage: Usage) {
    this.#storage = storage
    this.#usage = usage
  }

  /** Writes down what this process has used since the last time. */
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

  /** Keeps the sum, and then removes the notes that are in it. */
  async settle(uses: LastUses, notes: readonly string[]): Promise<void> {
    await this.#storage.put(SUM, encoded(uses))
    for (const note of notes) await this.#storage.delete(note, { durable: false })
  }

  /** A file that is damaged says nothing. */
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
