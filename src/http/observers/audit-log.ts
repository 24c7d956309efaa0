import type { AuditEntry, AuditLog, AuditOutcome } from '../../core/access/audit-log.ts'
import { isDigest, isTarSum } from '../../core/digest.ts'
import { printable } from '../../lib/printable.ts'
import { clientAddress } from '../request/client-address.ts'
import type { MatchedOperation, RequestLifecycle } from '../request-lifecycle.ts'
import type { HttpSettings } from '../settings.ts'
import { claimedBy, readable } from './claimed-user.ts'

/** Writes the outcome of each request to the audit log, except requests that match no operation. */
export class Audit {
  readonly #log: AuditLog
  readonly #settings: HttpSettings

  constructor(log: AuditLog, settings: HttpSettings) {
    this.#log = log
    this.#settings = settings
  }

  /** Records the client's address, which a closed connection no longer has. */
  begin(lifecycle: RequestLifecycle): void {
    lifecycle.clientAddress = clientAddress(lifecycle.request, this.#settings.trustedProxies)
  }

  readonly end = (lifecycle: RequestLifecycle): void => {
    if (lifecycle.matched !== undefined) this.#log.record(entryOf(lifecycle, lifecycle.matched))
  }
}

/** An entry. Of the client's own texts it contains only names, tags and digests. */
function entryOf(lifecycle: RequestLifecycle, { route, operation }: MatchedOperation): AuditEntry {
  const { request, id, context, answer } = lifecycle
  const who = context?.actor ?? lifecycle.identity
  const tags = tagsOf(lifecycle)
  const digest = answer?.headers['docker-content-digest'] ?? route.reference
  const allowed = isAllowed(lifecycle)
  return {
    requestId: id,
    address: lifecycle.clientAddress,
    user: printable(who?.name ?? ''),
    kind: who?.kind ?? 'anonymous',
    claimedUser: who === undefined ? claimedBy(lifecycle) : undefined,
    key: context?.changedKey ?? who?.key,
    action: operation.access === 'open' ? route.resource : operation.access,
    repository: route.repository,
    tags: tags.length > 0 ? tags : undefined,
    digest: typeof digest === 'string' && (isDigest(digest) || isTarSum(digest)) ? digest : undefined,
    method: request.method ?? '',
    status: lifecycle.status,
    allowed,
    outcome: allowed ? outcomeOf(lifecycle) : 'not done',
  }
}

const REFUSED = [401, 403, 429]

/** True if the request was authorized; operations that check credentials themselves reject in their
 *  handler. */
function isAllowed({ context, answer }: RequestLifecycle): boolean {
  return context !== undefined && !(answer !== undefined && REFUSED.includes(answer.status))
}

/** The outcome of an authorized request. A read is done if the client got all of it; anything else, even if
 *  the client has left. */
function outcomeOf({ request, answer, brokeOff, isTaken }: RequestLifecycle): AuditOutcome {
  if (answer === undefined) return 'unknown'
  if (answer.status >= 400 || brokeOff) return 'failed'
  const isRead = request.method === 'GET' || request.method === 'HEAD'
  return isRead && !isTaken ? 'failed' : 'done'
}

function tagsOf({ request, context, matched }: RequestLifecycle): string[] {
  if (matched?.route.resource !== 'manifest') return []
  const { reference } = matched.route
  if (!reference.includes(':')) return [readable(reference)]
  return request.method === 'PUT' ? (context?.query.getAll('tag') ?? []).map(readable) : []
}
