import type { ContentSource } from '../../core/descriptor-cache.ts'
import { algorithmOf, CANONICAL, type Digest } from '../../core/digest.ts'
import type { RepositoryContext } from '../context.ts'
import type { LinkSet } from '../links/links.ts'

/** The place of content in a repository: the links to it, and what it is called in the cache. */
export interface LinkedContent {
  readonly source: ContentSource
  readonly links: LinkSet
}

/** True if link and bytes are on storage, whatever is cached: a collector that is not ours tells nobody what it removes.
 *  Content that is missing is evicted. */
export async function isOnStorage(
  context: RepositoryContext,
  { source, links }: LinkedContent,
  digest: Digest,
): Promise<boolean> {
  const { pool } = context
  // The link nearly always leads to the digest itself, so that both can be looked at in one trip.
  const guess = algorithmOf(digest) === CANONICAL ? digest : undefined
  const [canonical, size] = await Promise.all([links.get(digest), guess && pool.size(guess)])
  const isThere =
    canonical !== undefined && (canonical === guess ? size : await pool.size(canonical)) !== undefined
  if (!isThere) await evictMissing(context, source, { digest, canonical })
  return isThere
}

/** Forgets content whose link or bytes were found missing. */
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
