import { LRUCache } from 'lru-cache'
import type { Digest } from '../../core/digest.ts'
import type { RepositoryName } from '../../core/reference.ts'
import type { CollectionMark } from '../collection/collection-guard.ts'

/** No collector may run beside pushes, so for this long nobody else can have removed what this process has stored. */
const TRUSTED_MS = 60_000
const MAX_PUSHES = 10_000

/** The blobs that this process has stored a moment ago, by repository. Everything else that a cache knows may have been removed by
 *  a collector that is not ours: it is looked at before a manifest that names it is acknowledged. */
export class RecentPushes {
  readonly #pushes = new LRUCache<string, { mark: CollectionMark }>({ max: MAX_PUSHES, ttl: TRUSTED_MS })

  /** @param mark of garbage collection, from before it was stored */
  add(repository: RepositoryName, digest: Digest, mark: CollectionMark): void {
    this.#pushes.set(`${repository}@${digest}`, { mark })
  }

  /** @param mark the present one: what was stored at another may have been collected */
  has(repository: RepositoryName, digest: Digest, mark: CollectionMark): boolean {
    const push = this.#pushes.get(`${repository}@${digest}`)
    return push !== undefined && push.mark === mark
  }

  /** What a deleted manifest named may be collected at once. */
  clear(): void {
    this.#pushes.clear()
  }

  delete(repository: RepositoryName, digest: Digest): void {
    this.#pushes.delete(`${repository}@${digest}`)
  }
}
