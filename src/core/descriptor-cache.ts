/** The layer info cache: sizes, media types and memberships of content, so that storage is asked once.
 *
 *  It caches that a repository has a digest and, shared by all repositories, what a canonical digest is.
 *  Content never changes, so both stay right until a deletion evicts them; absence is never cached. Every
 *  cache passes the tests in `test/contract/descriptor-cache.ts`. */
import type { Descriptor } from './descriptor.ts'
import type { Digest } from './digest.ts'
import { RegistryError } from './errors.ts'
import type { RepositoryName } from './reference.ts'

/** Content of a repository is visible as a blob or as a manifest. The same bytes can be both. */
export type ContentKind = 'blob' | 'manifest'

/** Content of a repository. The descriptor carries the digest that was asked for; the bytes are stored under
 *  the canonical one. */
export interface StoredContent {
  readonly descriptor: Descriptor
  readonly canonical: Digest
}

/** Properties of content that are the same in every repository. */
export interface ContentInfo {
  readonly mediaType: string
  /** In bytes. Saves the driver a request when it opens the content. */
  readonly size: number
}

/** The blobs of a repository, or its manifests. */
export interface ContentSet {
  readonly repository: RepositoryName
  readonly kind: ContentKind
}

/** A set and the storage behind it, which the cache asks on a miss. */
export interface ContentSource extends ContentSet {
  /** The canonical digest of the set's content of this name. Undefined if there is none. */
  resolve(digest: Digest): Promise<Digest | undefined>
  /** Undefined if the bytes are missing. */
  describe(canonical: Digest): Promise<ContentInfo | undefined>
}

export interface DescriptorCache {
  readonly counts: CacheCounts
  /** The content, if this process has it cached. Undefined says nothing: `find` decides. */
  getIfCached(set: ContentSet, digest: Digest): StoredContent | undefined
  /** Cached content, or what the source answers. An answer that is evicted meanwhile is not cached. */
  find(source: ContentSource, digest: Digest): Promise<StoredContent | undefined>
  /** Runs the work that stores content in the set, then caches its result, unless that is evicted
   *  meanwhile. */
  writeThrough(set: ContentSet, digest: Digest, work: () => Promise<StoredContent>): Promise<StoredContent>
  /** Evicts content of a set by all the names it has. Called after storage has changed, never before. */
  evict(set: ContentSet, names: readonly Digest[]): Promise<void>
  /** Evicts a canonical digest for all repositories. Called after the bytes were removed. */
  evictContent(canonical: Digest): Promise<void>
  close(): Promise<void>
}

/** Counters of a cache, for metrics. */
export interface CacheCounts {
  readonly requests: number
  readonly hits: number
  /** Failed or unusable answers of a cache outside this process. */
  readonly errors: number
  /** Entries removed because content was deleted. */
  readonly evicted: number
  /** Entries removed to make room, or because they were too old. */
  readonly displaced: number
  /** Entries in this process's memory now. */
  readonly entries: number
}

/** The cache key of a member of a set. No repository name contains the separator.
 *  @throws RegistryError NAME_INVALID or DIGEST_INVALID if one of them is empty */
export function memberKey({ kind, repository }: ContentSet, digest: Digest): string {
  if (repository === '') throw new RegistryError('NAME_INVALID', { message: 'a repository without a name' })
  if (digest === '') throw new RegistryError('DIGEST_INVALID', { message: 'an empty digest' })
  return `${kind}:${repository}@${digest}`
}

/** Asks the source without a cache.
 *  @param describe replaces the source's own, if the canonical digest is known already */
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

/** A cache that stores nothing. */
export const NO_CACHE: DescriptorCache = {
  counts: { requests: 0, hits: 0, errors: 0, evicted: 0, displaced: 0, entries: 0 },
  getIfCached: () => undefined,
  find: async (source, digest) => askSource(source, digest),
  writeThrough: (_set, _digest, work) => work(),
  evict: async () => {},
  evictContent: async () => {},
  close: async () => {},
}
