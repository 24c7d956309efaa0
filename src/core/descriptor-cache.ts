/** The layer info cache: what storage has once said of content is not asked again.
 *
 *  It remembers two things: that a repository has a digest, and, shared by all repositories, what stands under a canonical
 *  digest. Content never changes, so both stay right until somebody deletes; what is absent is never remembered. Every
 *  cache passes the suite in `test/contract/descriptor-cache.ts`. */
import type { Descriptor } from './descriptor.ts'
import type { Digest } from './digest.ts'
import { RegistryError } from './errors.ts'
import type { RepositoryName } from './reference.ts'

/** By which links content is visible: a blob's or a manifest's. The same bytes can be both. */
export type ContentKind = 'blob' | 'manifest'

/** Some content as a repository has it. The descriptor carries the digest that was asked for; the bytes stand under the
 *  canonical one. */
export interface StoredContent {
  readonly descriptor: Descriptor
  readonly canonical: Digest
}

/** What is the same for content in whichever repository. */
export interface ContentInfo {
  readonly mediaType: string
  /** In bytes. With it a driver opens the content without asking how long it is. */
  readonly size: number
}

/** The blobs of a repository, or its manifests. */
export interface ContentSet {
  readonly repository: RepositoryName
  readonly kind: ContentKind
}

/** A set with the storage behind it: whom the cache asks for what it does not know. */
export interface ContentSource extends ContentSet {
  /** The canonical digest of what the set has under this name. */
  resolve(digest: Digest): Promise<Digest | undefined>
  /** Undefined when the bytes are not there. */
  describe(canonical: Digest): Promise<ContentInfo | undefined>
}

export interface DescriptorCache {
  readonly counts: CacheCounts
  /** The content, if this process has it cached. Undefined says nothing: `find` decides. */
  getIfCached(set: ContentSet, digest: Digest): StoredContent | undefined
  /** Cached content, or what the source answers. An answer that is evicted meanwhile is not cached. */
  find(source: ContentSource, digest: Digest): Promise<StoredContent | undefined>
  /** Runs the work that stores content in the set, then caches its result, unless that is evicted meanwhile. */
  writeThrough(set: ContentSet, digest: Digest, work: () => Promise<StoredContent>): Promise<StoredContent>
  /** Evicts content of a set by all the names it has. Called after storage has changed, never before. */
  evict(set: ContentSet, names: readonly Digest[]): Promise<void>
  /** Evicts a canonical digest for all repositories. Called after the bytes are gone. */
  evictContent(canonical: Digest): Promise<void>
  close(): Promise<void>
}

/** What a cache counts of itself; whoever wants to know reads it. */
export interface CacheCounts {
  readonly requests: number
  readonly hits: number
  /** Times that a cache which is not in memory could not be asked, or gave something unusable. */
  readonly errors: number
  /** Entries that were removed because content was deleted, */
  readonly evicted: number
  /** and those that made room for others or grew too old. */
  readonly displaced: number
  /** Entries in the memory of this process at this moment. */
  readonly entries: number
}

/** The text under which a cache keeps a member of a set. No repository's name has the character that joins them.
 *  @throws RegistryError NAME_INVALID or DIGEST_INVALID when one of them is empty */
export function memberKey({ kind, repository }: ContentSet, digest: Digest): string {
  if (repository === '') throw new RegistryError('NAME_INVALID', { message: 'a repository without a name' })
  if (digest === '') throw new RegistryError('DIGEST_INVALID', { message: 'an empty digest' })
  return `${kind}:${repository}@${digest}`
}

/** Asks the source, and no cache.
 *  @param describe overrides the source's own answer where a canonical digest is known already */
export async function askSource(
  source: ContentSource,
  digest: Digest,
  describe: (canonical: Digest) => Promise<ContentInfo | undefined> = (canonical) =>
    source.describe(canonical),
): Promise<StoredContent | undefined> {
  const canonical = await source.resolve(digest)
  const info = canonical && (await describe(canonical))
  return info && storedContent(digest, canonical as Digest, info)
}

export function storedContent(
  digest: Digest,
  canonical: Digest,
  { mediaType, size }: ContentInfo,
): StoredContent {
  return { descriptor: { mediaType, digest, size }, canonical }
}

/** Remembers nothing. */
export const NO_CACHE: DescriptorCache = {
  counts: { requests: 0, hits: 0, errors: 0, evicted: 0, displaced: 0, entries: 0 },
  getIfCached: () => undefined,
  find: async (source, digest) => askSource(source, digest),
  writeThrough: (_set, _digest, work) => work(),
  evict: async () => {},
  evictContent: async () => {},
  close: async () => {},
}
