import type { CacheCounts } from '../../core/descriptor-cache.ts'
import { MemoryDescriptorCache } from '../memory.ts'

/** Lifetime of entries from Redis, while Redis sends invalidations. */
const NEAR_TTL_MS = 10 * 60_000
/** Lifetime of entries from storage, while no invalidations arrive. */
const ISOLATED_TTL_MS = 5_000

/** The entries that one process holds, in one of two memories: the near cache while it trusts Redis, and an
 *  isolated one otherwise. Each begins empty, because invalidations for the other may have been missed. */
export class ProcessMemory {
  readonly #near: MemoryDescriptorCache
  readonly #isolated: MemoryDescriptorCache
  #inUse: MemoryDescriptorCache

  constructor({ maxEntries, ttlMs }: { maxEntries: number; ttlMs: number }) {
    this.#near = new MemoryDescriptorCache({ maxEntries, ttlMs: Math.min(ttlMs, NEAR_TTL_MS) })
    const isolatedTtlMs = Math.min(ttlMs, ISOLATED_TTL_MS)
    this.#isolated = new MemoryDescriptorCache({ maxEntries, ttlMs: isolatedTtlMs, isExact: true })
    this.#inUse = this.#isolated
  }

  get inUse(): MemoryDescriptorCache {
    return this.#inUse
  }

  get both(): readonly MemoryDescriptorCache[] {
    return [this.#near, this.#isolated]
  }

  use(which: 'near' | 'isolated'): void {
    for (const memory of this.both) memory.clear()
    this.#inUse = which === 'near' ? this.#near : this.#isolated
  }

  /** The counters of both memories, and of Redis.
   *  @param own hits are those of Redis; errors are all */
  counts(own: { readonly hits: number; readonly errors: number }): CacheCounts {
    const counts = this.both.map((memory) => memory.counts)
    const sum = (key: keyof CacheCounts) => counts.reduce((total, one) => total + one[key], 0)
    return {
      get requests() {
        return sum('requests')
      },
      get hits() {
        return sum('hits') + own.hits
      },
      get errors() {
        return own.errors
      },
      get evicted() {
        return sum('evicted')
      },
      get displaced() {
        return sum('displaced')
      },
      get entries() {
        return sum('entries')
      },
    }
  }
}
