import { LRUCache } from 'lru-cache'
import type { Digest } from '../../core/digest.ts'
import type { RepositoryName } from '../../core/reference.ts'

/** No collector may run beside pushes, so for this long nobody else can have removed what this process has stored. */
const TRUSTED_MS = 60_000
const MAX_PUSHES = 10_000

/** The blobs that this process has stored a moment ago, by repository. Everything else that a cache knows may have been removed by
 *  a collector that is not ours: it is looked at before a manifest that names it is acknowledged. */
export class RecentPushes {
  readonly #pushes = new LRUCache<string, true>({ max: MAX_PUSHES, ttl: TRUSTED_MS })

  add(repository: RepositoryName, digest: Digest): void {
    this.#pushes.set(`${repository}@${digest}`, true)
  }

  has(repository: RepositoryName, digest: Digest): boolean {
    return this.#pushes.has(`${repository}@${digest}`)
  }

  /** What a deleted manifest named may be collected at once. */
  clear(): void {
    this.#pushes.clear()
  }

  delete(repository: RepositoryName, digest: Digest): void {
    this.#pushes.delete(`${repository}@${digest}`)
  }
}
