import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Identity } from '../core/access-controller.ts'
import type { AuditEntry } from '../core/audit-log.ts'
import { isDigest } from '../core/digest.ts'
import type { Exchange } from './exchange.ts'
import type { Access, Route } from './routes.ts'

/** A request that has been answered. */
export interface Audited {
  readonly request: IncomingMessage
  readonly response: ServerResponse
  readonly id: string
  readonly address: string
  readonly route: Route
  readonly access: Access
  /** Absent when the credentials were no good. */
  readonly identity: Identity | undefined
  /** Absent for whoever was not let in. */
  readonly exchange: Exchange | undefined
  /** What the answer said the content's digest is. */
  readonly digest: string | undefined
}

/** What the audit log has of a request: of what its client sent only names, tags and digests. */
export function auditEntry(audited: Audited): AuditEntry {
  const { request, response, id, address, route, access, identity, exchange } = audited
  const who = exchange?.actor ?? identity
  const tags = tagsOf(audited)
  return {
    requestId: id,
    address,
    user: who?.name ?? '',
    kind: who?.kind ?? 'anonymous',
    action: access === 'open' ? route.resource : access,
    repository: route.repository,
    tags: tags.length > 0 ? tags : undefined,
    digest: audited.digest ?? (isDigest(route.reference) ? route.reference : undefined),
    method: request.method ?? '',
    status: response.statusCode,
    allowed: !REFUSED.includes(response.statusCode),
  }
}

const REFUSED = [401, 403, 429]

function tagsOf({ request, exchange, route }: Audited): string[] {
  if (route.resource !== 'manifest') return []
  if (!route.reference.includes(':')) return [route.reference]
  return request.method === 'PUT' ? (exchange?.query.getAll('tag') ?? []) : []
}
