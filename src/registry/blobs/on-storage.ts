import type { ContentSource } from '../../core/descriptor-cache.ts'
import { algorithmOf, CANONICAL, type Digest } from '../../core/digest.ts'
import type { RepositoryContext } from '../context.ts'
import type { LinkSet } from '../links/links.ts'

/** Content of a repository: its links and its cache entry. */
export interface LinkedContent {
  readonly source: ContentSource
  readonly links: LinkSet
}

/** True if link and bytes are on storage, without caches: Distribution's collector does not evict what it
 *  removes. Missing content is evicted. */
export async function isOnStorage(
  context: RepositoryContext,
  { source, links }: LinkedContent,
  digest: Digest,
): Promise<boolean> {
  const { pool } = context
  // The link nearly always holds the same digest, so both are read concurrently.
  const guess = algorithmOf(digest) === CANONICAL ? digest : undefined
  const [canonical, size] = await Promise.all([links.get(digest), guess && pool.size(guess)])
  const isThere =
    canonical !== undefined && (canonical === guess ? size : await pool.size(canonical)) !== undefined
  if (!isThere) await evictMissing(context, source, { digest, canonical })
  return isThere
}

/** Evicts content whose link or bytes are missing. */
export async function evictMissing(
  { name, cache, pool, recentPushes }: RepositoryContext,
  source: ContentSource,
  { digest, canonical }: { digest: Digest; canonical: Digest | undefined },
): Promise<void> {
  recentPushes.delete(name, digest)
  if (canonical !== undefined) {
    pool.forget(canonical)
    await cache.evictContent(canonical)
  }
  await cache.evict(source, [digest])
}
