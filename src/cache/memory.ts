import { LRUCache } from 'lru-cache'
import type { DescriptorCache, StoredBlob } from '../core/descriptor-cache.ts'
import type { Digest } from '../core/digest.ts'
import type { RepositoryName } from '../core/reference.ts'

/** An entry that some other process made wrong is wrong no longer than this. */
const TIME_TO_LIVE_MS = 24 * 60 * 60 * 1000

/** The layer info cache of one process: the entries used last, up to a number of them. */
export class MemoryDescriptorCache implements DescriptorCache {
  readonly #entries: LRUCache<string, StoredBlob>
  /** Counts evictions: what was looked up before one may be what it was about. */
  #evictions = 0

  /** @param options.maxEntries 0 or less for no limit */
  constructor({ maxEntries }: { maxEntries: number }) {
    const limit =
      maxEntries > 0 ? { max: maxEntries } : { maxSize: Number.MAX_SAFE_INTEGER, sizeCalculation: () => 1 }
    this.#entries = new LRUCache({ ...limit, ttl: TIME_TO_LIVE_MS })
  }

  async find(
    repository: RepositoryName,
    digest: Digest,
    look: () => Promise<StoredBlob | undefined>,
  ): Promise<StoredBlob | undefined> {
    const key = keyOf(repository, digest)
    const remembered = this.#entries.get(key)
    if (remembered !== undefined) return remembered
    const before = this.#evictions
    const found = await look()
    if (found !== undefined && this.#evictions === before) this.#entries.set(key, found)
    return found
  }

  async evict(repository: RepositoryName, names: readonly Digest[]): Promise<void> {
    this.#evictions += 1
    for (const name of names) this.#entries.delete(keyOf(repository, name))
  }
}

/** No name of a repository has the character that joins them. */
function keyOf(repository: RepositoryName, digest: Digest): string {
  return `${repository}@${digest}`
}
