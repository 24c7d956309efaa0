import { LRUCache } from 'lru-cache'
import type { Digest } from '../../core/digest.ts'
import type { RepositoryName } from '../../core/reference.ts'

const MAX_MANIFESTS = 500_000

/** When this process has used a manifest last, in milliseconds since 1970. Kept in memory, and written down
 *  now and then. */
export class Usage {
  readonly #lastUsed = new LRUCache<string, number>({ max: MAX_MANIFESTS })

  use(repository: RepositoryName, manifest: Digest): void {
    this.#lastUsed.set(`${repository}@${manifest}`, Date.now())
  }

  /** What was used since the last time that it was taken. */
  take(): Map<string, number> {
    const taken = new Map(this.#lastUsed.entries())
    this.#lastUsed.clear()
    return taken
  }
}
