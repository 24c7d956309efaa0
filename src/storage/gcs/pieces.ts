import { randomUUID } from 'node:crypto'
import type { IncompleteUpload } from '../../core/storage-driver.ts'
import { type Bucket, MAX_SOURCES, type ObjectToCompose } from './bucket.ts'
import type { Content } from './content.ts'
import { NO_GENERATION } from './version.ts'

/** Where pieces stand, below the driver's root. No path can name it, and no listing of a folder comes here. */
const FOLDER = '~pieces/'
/** Under this name a piece says which file it is a part of. */
const PATH = 'entrepot-path'

/** Parts of files that are being appended to: objects of their own until they are composed. Each is made once, under a name
 *  that nobody else comes upon, and used by its generation. */
export class Pieces {
  readonly #bucket: Bucket
  readonly #folder: string
  readonly #removals = new Set<Promise<void>>()

  /** @param root the driver's, '' or with a `/` at its end */
  constructor(bucket: Bucket, root: string) {
    this.#bucket = bucket
    this.#folder = root + FOLDER
  }

  async upload(content: Content, path: string): Promise<ObjectToCompose> {
    const key = this.#newKey()
    const { generation } = await this.#bucket.insert(key, content, newPieceOf(path))
    return { key, generation }
  }

  /** Makes so few of the pieces, in their order, that all fit into one composition.
   *  @param made told the key of every piece that is made on the way */
  async gather(
    pieces: readonly ObjectToCompose[],
    { most, path, made }: { most: number; path: string; made: (key: string) => void },
  ): Promise<readonly ObjectToCompose[]> {
    if (pieces.length <= most) return pieces
    const groups = Array.from({ length: Math.ceil(pieces.length / MAX_SOURCES) }, (_, index) =>
      pieces.slice(index * MAX_SOURCES, (index + 1) * MAX_SOURCES),
    )
    const larger = await Promise.all(
      groups.map(async (group) => {
        const key = this.#newKey()
        made(key)
        const { generation } = await this.#bucket.compose(key, group, newPieceOf(path))
        return { key, generation }
      }),
    )
    return this.gather(larger, { most, path, made })
  }

  /** Removes pieces behind the caller's back. Those that stay are found by `incompleteUploads`. */
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
  async *incompleteUploads(): AsyncIterable<IncompleteUpload> {
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

function newPieceOf(path: string) {
  return { ifGeneration: NO_GENERATION, metadata: { [PATH]: path } }
}
