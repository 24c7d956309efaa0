import type { AuditEntry, AuditLog } from '../core/audit-log.ts'
import { isDigest } from '../core/digest.ts'
import { clientAddress } from './client-address.ts'
import type { Context, WantedOperation } from './context.ts'
import type { HttpSettings } from './settings.ts'

export interface Auditing {
  readonly audit: AuditLog
  readonly settings: HttpSettings
}

/** Writes down what came of a request once it is answered; one that no operation is for has no place in the log. */
export function auditWhenDone(context: Context, { audit, settings }: Auditing): void {
  // Asked now: a connection that is gone has no address.
  const address = clientAddress(context.request, settings.trustedProxies)
  context.whenClosed(() => {
    if (context.wanted !== undefined) audit.record(entryOf(context, { wanted: context.wanted, address }))
  })
}

/** Of what its client sent only names, tags and digests. */
function entryOf(
  context: Context,
  { wanted: { route, operation }, address }: { wanted: WantedOperation; address: string },
): AuditEntry {
  const { request, response, id, exchange, answered } = context
  const who = exchange?.actor ?? context.identity
  const tags = tagsOf(context)
  const digest = answered['docker-content-digest'] ?? route.reference
  return {
    requestId: id,
    address,
    user: who?.name ?? '',
    kind: who?.kind ?? 'anonymous',
    action: operation.access === 'open' ? route.resource : operation.access,
    repository: route.repository,
    tags: tags.length > 0 ? tags : undefined,
    digest: typeof digest === 'string' && isDigest(digest) ? digest : undefined,
    method: request.method ?? '',
    status: response.statusCode,
    allowed: !REFUSED.includes(response.statusCode),
  }
}

const REFUSED = [401, 403, 429]

function tagsOf({ request, exchange, wanted }: Context): string[] {
  if (wanted?.route.resource !== 'manifest') return []
  const { reference } = wanted.route
  if (!reference.includes(':')) return [reference]
  return request.method === 'PUT' ? (exchange?.query.getAll('tag') ?? []) : []
}
