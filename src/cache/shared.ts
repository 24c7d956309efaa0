import type { Invalidation, Peers } from '../core/coordination/peers.ts'
import type {
  CacheCounts,
  ContentSet,
  ContentSource,
  DescriptorCache,
  StoredContent,
} from '../core/descriptor-cache.ts'
import type { Digest } from '../core/digest.ts'

export interface SharedCacheOptions {
  cache: DescriptorCache
  peers: Peers
}

/** A cache beside those of the other workers. When an eviction resolves, none of them has the evicted entries
 *  any more. Each worker evicts as if it had deleted the content itself, also from a shared Redis: it may be
 *  the only one with a connection, or the only one that trusts its entries. */
export class SharedDescriptorCache implements DescriptorCache {
  readonly counts: CacheCounts
  readonly #cache: DescriptorCache
  readonly #peers: Peers

  constructor({ cache, peers }: SharedCacheOptions) {
    this.counts = cache.counts
    this.#cache = cache
    this.#peers = peers
    peers.subscribe((invalidation) => apply(invalidation, cache))
  }

  getIfCached(set: ContentSet, digest: Digest): StoredContent | undefined {
    return this.#cache.getIfCached(set, digest)
  }

  find(source: ContentSource, digest: Digest): Promise<StoredContent | undefined> {
    return this.#cache.find(source, digest)
  }

  writeThrough(set: ContentSet, digest: Digest, work: () => Promise<StoredContent>): Promise<StoredContent> {
    return this.#cache.writeThrough(set, digest, work)
  }

  /** Sequential: a peer that looks up again may read the shared Redis. */
  async evict({ repository, kind }: ContentSet, names: readonly Digest[]): Promise<void> {
    await this.#cache.evict({ repository, kind }, names)
    await this.#peers.publish({ kind: 'evicted', set: { repository, kind }, names })
  }

  async evictContent(canonical: Digest): Promise<void> {
    await this.#cache.evictContent(canonical)
    await this.#peers.publish({ kind: 'contentEvicted', canonical })
  }

  close(): Promise<void> {
    return this.#cache.close()
  }
}

function apply(invalidation: Invalidation, cache: DescriptorCache): Promise<void> {
  return invalidation.kind === 'evicted'
    ? cache.evict(invalidation.set, invalidation.names)
    : cache.evictContent(invalidation.canonical)
}
