import { StorageError } from '../../core/errors.ts'
import type { FileVersion, State } from '../../core/storage-driver.ts'
import type { Bucket } from './bucket.ts'
import { contentOf } from './content.ts'
import { isConditionFailed, isNotFound } from './errors.ts'
import { formatVersion, NO_GENERATION, parseVersion } from './version.ts'

/** Metadata key of the generation that a state has replaced. */
const FOLLOWS = 'entrepot-follows'

/** Compare-and-swap by generation conditions: of several writes that replace one generation, one succeeds. */
export class States {
  readonly #bucket: Bucket

  constructor(bucket: Bucket) {
    this.#bucket = bucket
  }

  /** Reads a state.
   *  @throws CallFailed */
  async get(key: string): Promise<State | undefined> {
    try {
      const { content, version } = await this.#bucket.get(key)
      return { content, version: formatVersion(version) }
    } catch (cause) {
      if (isNotFound(cause)) return undefined
      throw cause
    }
  }

  /** Swaps a state.
   *  @param path the driver's path, for errors
   *  @throws CallFailed; StorageError BUSY if the outcome is unknown */
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
      // Rejected at the first attempt, the state is certainly another. Otherwise an earlier attempt may have
      // succeeded, and been replaced since.
      if (cause.attempts === 1 || (await this.#followedBy(key)) === ifGeneration) return undefined
      const message = `the outcome is unknown, because others have written since: ${path}`
      throw new StorageError('BUSY', { path, message, cause })
    }
  }

  /** The generation that the present state has replaced. */
  async #followedBy(key: string): Promise<string | undefined> {
    return (await this.#bucket.find(key))?.metadata?.[FOLLOWS]
  }
}
