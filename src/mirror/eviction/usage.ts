import { LRUCache } from 'lru-cache'
import type { Digest } from '../../core/digest.ts'
import type { RepositoryName } from '../../core/reference.ts'
import { atMost } from '../../lib/at-most.ts'

const MAX_MANIFESTS = 500_000

/** Times at which this process has last used manifests, in milliseconds since 1970. Kept in memory; the access
 *  log stores them from time to time. Limited by size, because `max` allocates all places in advance. */
export class Usage {
  readonly #lastUsed = new LRUCache<string, number>(atMost(MAX_MANIFESTS))

  use(repository: RepositoryName, manifest: Digest): void {
    this.#lastUsed.set(`${repository}@${manifest}`, Date.now())
  }

  /** Returns the uses since the previous call. */
  take(): Map<string, number> {
    const taken = new Map(this.#lastUsed.entries())
    this.#lastUsed.clear()
    return taken
  }
}
