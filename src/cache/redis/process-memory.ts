import type { CacheCounts } from '../../core/descriptor-cache.ts'
import { MemoryDescriptorCache } from '../memory.ts'

/** How long what Redis has said is believed, while Redis tells of changes, */
const NEAR_TTL_MS = 10 * 60_000
/** and how long what storage has said, while nobody would tell. */
const ISOLATED_TTL_MS = 5_000

/** What one process remembers by itself, in one of two memories: near Redis while it believes Redis, and isolated from
 *  the other processes while it does not. Each begins empty, since what the other had may have changed unheard. */
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

  /** The sums of both, and of what is counted beside them.
   *  @param own hits are those of Redis, errors are all there are */
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
