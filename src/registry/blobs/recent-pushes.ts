import { LRUCache } from 'lru-cache'
import type { Digest } from '../../core/digest.ts'
import type { RepositoryName } from '../../core/reference.ts'
import { atMost } from '../../lib/at-most.ts'
import type { CollectionMark } from '../collection/collection-guard.ts'

/** Other collectors must not run beside pushes, so recent content of this process needs no check for this
 *  long. */
const TRUSTED_MS = 60_000
const MAX_PUSHES = 10_000

/** The blobs that this process has stored recently, by repository. All other cached content is checked on
 *  storage before a manifest that refers to it is acknowledged, because another collector may have removed
 *  it. */
export class RecentPushes {
  readonly #pushes = new LRUCache<string, { mark: CollectionMark }>({
    ...atMost(MAX_PUSHES),
    ttl: TRUSTED_MS,
  })

  /** Records a push.
   *  @param mark of garbage collection, taken before the blob was stored */
  add(repository: RepositoryName, digest: Digest, mark: CollectionMark): void {
    this.#pushes.set(`${repository}@${digest}`, { mark })
  }

  /** True if the blob was pushed recently.
   *  @param mark the present one: blobs stored at an earlier mark may have been collected */
  has(repository: RepositoryName, digest: Digest, mark: CollectionMark): boolean {
    const push = this.#pushes.get(`${repository}@${digest}`)
    return push !== undefined && push.mark === mark
  }

  /** Forgets all pushes, because content of a deleted manifest may be collected at once. */
  clear(): void {
    this.#pushes.clear()
  }

  delete(repository: RepositoryName, digest: Digest): void {
    this.#pushes.delete(`${repository}@${digest}`)
  }
}
