import type { ManifestSummary } from '../../../core/catalog/catalog-index.ts'
import { jsonReply, type WholeReply } from '../../reply/reply.ts'

/** An answer that depends on the client and on the moment. */
export function freshReply(value: unknown, status = 200): WholeReply {
  return jsonReply(status, value, { 'cache-control': 'no-store' })
}

export function timeOf(date: Date | null): string | null {
  return date === null ? null : date.toISOString()
}

export function summaryOf({ digest, mediaType, artifactType, platforms, createdAt, size }: ManifestSummary) {
  return {
    ...{ digest, mediaType, artifactType, size },
    platforms: [...platforms],
    createdAt: timeOf(createdAt),
  }
}
