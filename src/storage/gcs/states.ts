import { StorageError } from '../../core/errors.ts'
import type { FileVersion, State } from '../../core/storage-driver.ts'
import type { Bucket } from './bucket.ts'
import { contentOf } from './content.ts'
import { isConditionFailed, isNotFound } from './errors.ts'
import { formatVersion, NO_GENERATION, parseVersion } from './version.ts'

/** Under this name a state says which generation it came in the place of. */
const FOLLOWS = 'entrepot-follows'

/** Compare-and-swap by the conditions of the storage: of all that would follow one generation, one does. */
export class States {
  readonly #bucket: Bucket

  constructor(bucket: Bucket) {
    this.#bucket = bucket
  }

  /** @throws CallFailed */
  async get(key: string): Promise<State | undefined> {
    try {
      const { content, version } = await this.#bucket.get(key)
      return { content, version: formatVersion(version) }
    } catch (cause) {
      if (isNotFound(cause)) return undefined
      throw cause
    }
  }

  /** @param path what the driver's caller calls it
   *  @throws CallFailed; StorageError BUSY when nobody can say whether it was done */
  async swap(
    { key, path }: { key: string; path: string },
    content: Uint8Array,
    expected: FileVersion | undefined,
  ): Promise<FileVersion | undefined> {
    const ifGeneration = expected === undefined ? NO_GENERATION : parseVersion(expected)?.generation
    if (ifGeneration === undefined) return undefined
    try {
      const metadata = { [FOLLOWS]: ifGeneration }
      return formatVersion(await this.#bucket.insert(key, contentOf(content), { ifGeneration, metadata }))
    } catch (cause) {
      if (!isConditionFailed(cause)) throw cause
      // Refused at once, it is another's for sure. Otherwise an earlier attempt may have been done and followed by others.
      if (cause.attempts === 1 || (await this.#followedBy(key)) === ifGeneration) return undefined
      const message = `it is not known whether this was done, others have written since: ${path}`
      throw new StorageError('BUSY', { path, message, cause })
    }
  }

  /** Which generation the state that stands there came in the place of. */
  async #followedBy(key: string): Promise<string | undefined> {
    return (await this.#bucket.find(key))?.metadata?.[FOLLOWS]
  }
}
