import { randomUUID } from 'node:crypto'
import type { IncompleteUpload } from '../../core/storage-driver.ts'
import { type Bucket, MAX_SOURCES, type ObjectToCompose } from './bucket.ts'
import type { Content } from './content.ts'
import { NO_GENERATION } from './version.ts'

/** Folder of pieces, below the driver's root. No path can contain it, and no listing shows it. */
const FOLDER = '~pieces/'
/** Metadata key of the file that a piece belongs to. */
const PATH = 'entrepot-path'

/** Parts of appended files: objects of their own until they are composed. Each is created once, under a
 *  unique name, and used by its generation. */
export class Pieces {
  readonly #bucket: Bucket
  readonly #folder: string
  readonly #removals = new Set<Promise<void>>()

  /** Does no I/O.
   *  @param root the driver's: '' or with a trailing `/` */
  constructor(bucket: Bucket, root: string) {
    this.#bucket = bucket
    this.#folder = root + FOLDER
  }

  async upload(content: Content, path: string): Promise<ObjectToCompose> {
    const key = this.#newKey()
    const { generation } = await this.#bucket.insert(key, content, newPieceOf(path))
    return { key, generation }
  }

  /** Composes pieces, in order, until all fit into one composition.
   *  @param made called with the key of every piece created on the way */
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

  /** Removes pieces in the background. Those that stay are found by `incompleteUploads`. */
  remove(keys: readonly string[]): void {
    for (const key of keys) {
      const removal = this.#bucket.remove(key).catch(() => undefined)
      this.#removals.add(removal)
      void removal.then(() => this.#removals.delete(removal))
    }
  }

  /** Resolves once no removal is running. */
  async settle(): Promise<void> {
    await Promise.all(this.#removals)
  }

  /** Pieces left by killed writers, and those about to be composed by running ones. */
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
