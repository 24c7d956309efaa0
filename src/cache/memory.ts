import { LRUCache } from 'lru-cache'
import {
  askSource,
  type CacheCounts,
  type ContentInfo,
  type ContentKind,
  type ContentSet,
  type ContentSource,
  type DescriptorCache,
  memberKey,
  type StoredContent,
  storedContent,
} from '../core/descriptor-cache.ts'
import type { Digest } from '../core/digest.ts'
import { atMost } from '../lib/at-most.ts'
import { TransientMap } from '../lib/collections/transient.ts'

export interface MemoryCacheOptions {
  /** Limit of descriptors, and of four times as many memberships; 0 or less for no limit. */
  maxEntries: number
  /** Lifetime of an entry, which limits the effect of a missed invalidation. */
  ttlMs?: number
  /** True if a process that was suspended must not return an expired entry even once: the clock is read for
   *  each lookup, which costs some time. Default: false. */
  isExact?: boolean
}

export const DEFAULT_TTL_MS = 24 * 60 * 60 * 1000

/** A blob in many repositories has one descriptor, and a membership in each. */
const MEMBERS_PER_DESCRIPTOR = 4

/** A lookup or change that is running. */
interface Look {
  readonly startedAt: number
  /** True if its content was evicted since it began. */
  isStale: boolean
  found: Promise<StoredContent | undefined>
}

/** The layer info cache of one process: a limited number of entries, least recently used first out.
 *  Concurrent lookups of the same content share one result. */
export class MemoryDescriptorCache implements DescriptorCache {
  readonly counts: MemoryCounts
  /** From a set and a name in it to the canonical digest. */
  readonly #members: LRUCache<string, Digest>
  /** From the canonical digest to the content of that name. */
  readonly #contents: Record<ContentKind, LRUCache<Digest, StoredContent>>
  readonly #looks = new TransientMap<string, Look>()
  readonly #ttlMs: number

  constructor({ maxEntries, ttlMs = DEFAULT_TTL_MS, isExact = false }: MemoryCacheOptions) {
    this.#ttlMs = ttlMs
    const options = (max: number) => ({
      ...atMost(max > 0 ? max : Number.MAX_SAFE_INTEGER),
      ttl: ttlMs,
      ttlResolution: isExact ? 0 : 1,
      dispose: (_value: unknown, _key: unknown, reason: string) => {
        if (reason === 'evict' || reason === 'expire') this.counts.displaced++
      },
    })
    this.#members = new LRUCache<string, Digest>(options(maxEntries * MEMBERS_PER_DESCRIPTOR))
    this.#contents = {
      blob: new LRUCache<Digest, StoredContent>(options(maxEntries)),
      manifest: new LRUCache<Digest, StoredContent>(options(maxEntries)),
    }
    this.counts = new MemoryCounts(() => this.#members.size)
  }

  getIfCached(set: ContentSet, digest: Digest): StoredContent | undefined {
    const known = this.#recall(memberKey(set, digest), set.kind, digest)
    if (known === undefined) return undefined
    this.counts.requests++
    this.counts.hits++
    return known
  }

  async find(source: ContentSource, digest: Digest): Promise<StoredContent | undefined> {
    return this.findOr(source, digest, () => this.ask(source, digest))
  }

  /** Asks the source. Cached descriptors are not asked for again. */
  ask(source: ContentSource, digest: Digest): Promise<StoredContent | undefined> {
    return askSource(source, digest, async (canonical) => {
      return this.describe(source.kind, canonical) ?? source.describe(canonical)
    })
  }

  /** Like `find`, with another function for misses. */
  findOr(
    set: ContentSet,
    digest: Digest,
    look: () => Promise<StoredContent | undefined>,
  ): Promise<StoredContent | undefined> {
    const key = memberKey(set, digest)
    const known = this.#recall(key, set.kind, digest)
    this.counts.requests++
    if (known === undefined) return (this.#lookAt(key) ?? this.#begin(key, set.kind, look)).found
    this.counts.hits++
    return Promise.resolve(known)
  }

  /** The cached properties of a canonical digest, from any repository. */
  describe(kind: ContentKind, canonical: Digest): ContentInfo | undefined {
    return this.#contents[kind].get(canonical)?.descriptor
  }

  async writeThrough(
    set: ContentSet,
    digest: Digest,
    work: () => Promise<StoredContent>,
  ): Promise<StoredContent> {
    const key = memberKey(set, digest)
    // Running lookups may still return the state from before.
    this.#markStale(key)
    return (await this.#begin(key, set.kind, work).found) as StoredContent
  }

  async evict(set: ContentSet, names: readonly Digest[]): Promise<void> {
    for (const name of names) this.drop(memberKey(set, name))
  }

  /** Removes one membership by its key. */
  drop(key: string): void {
    this.#markStale(key)
    if (this.#members.delete(key)) this.counts.evicted++
  }

  async evictContent(canonical: Digest): Promise<void> {
    this.dropContent('blob', canonical)
    this.dropContent('manifest', canonical)
  }

  /** Removes the descriptor of a canonical digest. */
  dropContent(kind: ContentKind, canonical: Digest): void {
    for (const key of this.#looks.keys()) this.#markStale(key)
    if (this.#contents[kind].delete(canonical)) this.counts.evicted++
  }

  /** Removes everything. */
  clear(): void {
    for (const key of this.#looks.keys()) this.#markStale(key)
    for (const entries of [this.#members, this.#contents.blob, this.#contents.manifest]) entries.clear()
  }

  async close(): Promise<void> {
    this.clear()
  }

  #recall(key: string, kind: ContentKind, digest: Digest): StoredContent | undefined {
    const canonical = this.#members.get(key)
    const content = canonical && this.#contents[kind].get(canonical)
    if (content === undefined || canonical === digest) return content
    return storedContent(digest, content.canonical, content.descriptor)
  }

  /** The running lookup, unless it takes longer than its result would be valid. */
  #lookAt(key: string): Look | undefined {
    const look = this.#looks.get(key)
    return look !== undefined && performance.now() - look.startedAt < this.#ttlMs ? look : undefined
  }

  #begin(key: string, kind: ContentKind, work: () => Promise<StoredContent | undefined>): Look {
    const look: Look = { startedAt: performance.now(), isStale: false, found: work() }
    this.#looks.set(key, look)
    const remember = (found: StoredContent | undefined) => {
      if (found !== undefined && !look.isStale) this.#remember(key, { kind, found, start: look.startedAt })
      return found
    }
    look.found = look.found.then(remember).finally(() => {
      if (this.#looks.get(key) === look) this.#looks.delete(key)
    })
    return look
  }

  /** Dated by the start of the lookup: the content may have been deleted since. */
  #remember(
    key: string,
    { kind, found, start }: { kind: ContentKind; found: StoredContent; start: number },
  ): void {
    const { canonical, descriptor } = found
    this.#members.set(key, canonical, { start })
    this.#contents[kind].set(canonical, storedContent(canonical, canonical, descriptor), { start })
  }

  /** Keeps further callers from joining the lookup, and its result from being cached. */
  #markStale(key: string): void {
    const look = this.#looks.get(key)
    if (look === undefined) return
    look.isStale = true
    this.#looks.delete(key)
  }
}

class MemoryCounts implements CacheCounts {
  requests = 0
  hits = 0
  errors = 0
  evicted = 0
  displaced = 0
  readonly #entries: () => number

  constructor(entries: () => number) {
    this.#entries = entries
  }

  get entries(): number {
    return this.#entries()
  }
}
