import { randomUUID } from 'node:crypto'
import type { Leftover } from '../../core/storage-driver.ts'
import { type Bucket, type Content, MAX_SOURCES } from './bucket.ts'

/** Where pieces stand, below the driver's root. No path can name it, and no listing of a folder comes here. */
const FOLDER = '~pieces/'
/** Under this name a piece says which file it is a part of. */
const PATH = 'entrepot-path'

/** Parts of files that are being appended to: objects of their own until they are composed. */
export class Pieces {
  readonly #bucket: Bucket
  readonly #folder: string
  readonly #removals = new Set<Promise<void>>()

  /** @param root the driver's, '' or with a `/` at its end */
  constructor(bucket: Bucket, root: string) {
    this.#bucket = bucket
    this.#folder = root + FOLDER
  }

  /** @returns its key */
  async upload(content: Content, path: string): Promise<string> {
    const key = this.#newKey()
    await this.#bucket.insert(key, content, { metadata: { [PATH]: path } })
    return key
  }

  /** Makes so few of the pieces, in their order, that all fit into one composition.
   *  @param made told of every piece that is made on the way */
  async gather(
    keys: readonly string[],
    { most, path, made }: { most: number; path: string; made: (key: string) => void },
  ): Promise<readonly string[]> {
    if (keys.length <= most) return keys
    const groups = Array.from({ length: Math.ceil(keys.length / MAX_SOURCES) }, (_, index) =>
      keys.slice(index * MAX_SOURCES, (index + 1) * MAX_SOURCES),
    )
    const larger = await Promise.all(
      groups.map(async (group) => {
        const key = this.#newKey()
        made(key)
        const sources = group.map((piece) => ({ key: piece }))
        await this.#bucket.compose(key, sources, { metadata: { [PATH]: path } })
        return key
      }),
    )
    return this.gather(larger, { most, path, made })
  }

  /** Removes pieces behind the caller's back. Those that stay are found by `leftovers`. */
  remove(keys: readonly string[]): void {
    for (const key of keys) {
      const removal = this.#bucket.remove(key).catch(() => undefined)
      this.#removals.add(removal)
      void removal.then(() => this.#removals.delete(removal))
    }
  }

  /** Over when nothing is being removed any more. */
  async settle(): Promise<void> {
    await Promise.all(this.#removals)
  }

  /** What writers that were killed have left, and what others are about to compose. */
  async *leftovers(): AsyncIterable<Leftover> {
    for await (const { items } of this.#bucket.pages({ prefix: this.#folder })) {
      for (const { name = '', updated = '', metadata } of items) {
        yield {
          path: metadata?.[PATH] ?? `/${name}`,
          modifiedAt: new Date(updated),
          remove: () => this.#bucket.remove(name),
        }
      }
    }
  }

  #newKey(): string {
    return this.#folder + randomUUID()
  }
}
