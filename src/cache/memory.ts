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

export interface MemoryCacheOptions {
  /** How many descriptors are remembered, and four times as many memberships of repositories; 0 or less: as many as come. */
  maxEntries: number
  /** An entry that some other process made wrong is wrong no longer than this. */
  ttlMs?: number
  /** True where a process that was stopped for a while must not show an old entry for even a moment: the clock is read
   *  for each look, which costs some. Default: false. */
  isExact?: boolean
}

export const DEFAULT_TTL_MS = 24 * 60 * 60 * 1000

/** A blob that is common to many repositories has one descriptor, and a membership in each. */
const MEMBERS_PER_DESCRIPTOR = 4

/** A question that is being answered, or a change under way. */
interface Look {
  readonly startedAt: number
  /** True when what it was about has been evicted since it began. */
  isStale: boolean
  found: Promise<StoredContent | undefined>
}

/** The layer info cache of one process: the entries used last, up to a number of them. Those who ask for the same at
 *  the same time share one answer. */
export class MemoryDescriptorCache implements DescriptorCache {
  readonly counts: MemoryCounts
  /** From a set and a name in it to the canonical digest. */
  readonly #members: LRUCache<string, Digest>
  /** From the canonical digest to the content under that name. */
  readonly #contents: Record<ContentKind, LRUCache<Digest, StoredContent>>
  readonly #looks = new Map<string, Look>()
  readonly #ttlMs: number

  constructor({ maxEntries, ttlMs = DEFAULT_TTL_MS, isExact = false }: MemoryCacheOptions) {
    this.#ttlMs = ttlMs
    const options = (max: number) => ({
      ...(max > 0 ? { max } : { maxSize: Number.MAX_SAFE_INTEGER, sizeCalculation: () => 1 }),
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

  /** What the source says. It is not asked what stands under a digest where that is remembered. */
  ask(source: ContentSource, digest: Digest): Promise<StoredContent | undefined> {
    return askSource(source, digest, async (canonical) => {
      return this.describe(source.kind, canonical) ?? source.describe(canonical)
    })
  }

  /** As `find`, with another way to the answer. */
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

  /** What is remembered of a canonical digest, whoever asked for it. */
  describe(kind: ContentKind, canonical: Digest): ContentInfo | undefined {
    return this.#contents[kind].get(canonical)?.descriptor
  }

  async writeThrough(
    set: ContentSet,
    digest: Digest,
    work: () => Promise<StoredContent>,
  ): Promise<StoredContent> {
    const key = memberKey(set, digest)
    // What was asked before may be answered with what was there before.
    this.#markStale(key)
    return (await this.#begin(key, set.kind, work).found) as StoredContent
  }

  async evict(set: ContentSet, names: readonly Digest[]): Promise<void> {
    for (const name of names) this.drop(memberKey(set, name))
  }

  /** Forgets one member by its key. */
  drop(key: string): void {
    this.#markStale(key)
    if (this.#members.delete(key)) this.counts.evicted++
  }

  async evictContent(canonical: Digest): Promise<void> {
    this.dropContent('blob', canonical)
    this.dropContent('manifest', canonical)
  }

  /** Forgets what stands under a canonical digest. */
  dropContent(kind: ContentKind, canonical: Digest): void {
    for (const key of this.#looks.keys()) this.#markStale(key)
    if (this.#contents[kind].delete(canonical)) this.counts.evicted++
  }

  /** Forgets everything. */
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

  /** What is being looked up, unless that takes for longer than its answer would be believed. */
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

  /** As of when it was asked for: it may have been deleted since. */
  #remember(
    key: string,
    { kind, found, start }: { kind: ContentKind; found: StoredContent; start: number },
  ): void {
    const { canonical, descriptor } = found
    this.#members.set(key, canonical, { start })
    this.#contents[kind].set(canonical, storedContent(canonical, canonical, descriptor), { start })
  }

  /** Nobody joins it any more, and its answer is not remembered. */
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
