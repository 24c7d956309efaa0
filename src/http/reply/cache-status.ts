import type { OutgoingHttpHeaders } from 'node:http'
import type { Digest } from '../../core/digest.ts'
import type { Tag } from '../../core/reference.ts'
import type { CacheStatus, MirroredContent } from '../../core/registry.ts'
import type { Reply } from './reply.ts'

const STATUS: Readonly<Record<CacheStatus['kind'], string>> = {
  hit: 'entrepot; hit',
  validated: 'entrepot; fwd=stale; fwd-status=304',
  stale: 'entrepot; hit; detail=stale',
  miss: 'entrepot; fwd=uri-miss; stored',
}

/** The reply with where its content comes from, if that is another registry: `Cache-Status` (RFC 9211) and
 *  `Age` (RFC 9111 section 5.1). */
export function withCacheStatus(reply: Reply, mirrored: MirroredContent, reference: Tag | Digest): Reply {
  const status = mirrored.statusOf(reference)
  return status === undefined ? reply : { ...reply, headers: { ...reply.headers, ...cacheHeaders(status) } }
}

export function cacheHeaders({ kind, ageSeconds }: CacheStatus): OutgoingHttpHeaders {
  const age = ageSeconds === undefined ? undefined : { age: String(ageSeconds) }
  return { ...age, 'cache-status': STATUS[kind] }
}
