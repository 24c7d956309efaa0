import type {
  CacheCounts,
  ContentSet,
  ContentSource,
  DescriptorCache,
  StoredContent,
} from '../core/descriptor-cache.ts'
import type { Digest } from '../core/digest.ts'
import type { SpanAttributes, Tracer } from '../core/tracing/tracer.ts'

/** Makes a span of each call of the cache that may wait. Content in memory makes none: the current span says that it was there. */
export class TracedCache implements DescriptorCache {
  readonly #cache: DescriptorCache
  readonly #tracer: Tracer

  constructor(cache: DescriptorCache, tracer: Tracer) {
    this.#cache = cache
    this.#tracer = tracer
  }

  get counts(): CacheCounts {
    return this.#cache.counts
  }

  getIfCached(set: ContentSet, digest: Digest): StoredContent | undefined {
    const found = this.#cache.getIfCached(set, digest)
    if (found !== undefined) this.#tracer.annotate({ 'entrepot.cache.hit': true })
    return found
  }

  /** A hit unless storage was asked. */
  find(source: ContentSource, digest: Digest): Promise<StoredContent | undefined> {
    let isHit = true
    const observed: ContentSource = {
      repository: source.repository,
      kind: source.kind,
      resolve(name) {
        isHit = false
        return source.resolve(name)
      },
      describe(canonical) {
        isHit = false
        return source.describe(canonical)
      },
    }
    return this.#tracer.inSpan(optionsOf('find', source, digest), async (span) => {
      const found = await this.#cache.find(observed, digest)
      span.set({ 'entrepot.cache.hit': isHit })
      return found
    })
  }

  writeThrough(set: ContentSet, digest: Digest, work: () => Promise<StoredContent>): Promise<StoredContent> {
    return this.#tracer.inSpan(optionsOf('write', set, digest), () =>
      this.#cache.writeThrough(set, digest, work),
    )
  }

  evict(set: ContentSet, names: readonly Digest[]): Promise<void> {
    return this.#tracer.inSpan(optionsOf('evict', set), () => this.#cache.evict(set, names))
  }

  evictContent(canonical: Digest): Promise<void> {
    const attributes = { 'entrepot.digest': canonical }
    return this.#tracer.inSpan({ name: 'cache evict', attributes }, () => this.#cache.evictContent(canonical))
  }

  close(): Promise<void> {
    return this.#cache.close()
  }
}

function optionsOf(operation: string, { repository, kind }: ContentSet, digest?: Digest) {
  const attributes: SpanAttributes = {
    'entrepot.repository': repository,
    'entrepot.kind': kind,
    'entrepot.digest': digest,
  }
  return { name: `cache ${operation}`, attributes }
}
