/** One request in the audit log: identity, action, target, decision and outcome. Contains no secrets. */
export interface AuditEntry {
  readonly requestId: string
  readonly address: string
  /** The authenticated name; empty for anonymous. */
  readonly user: string
  readonly kind: 'anonymous' | 'user' | 'robot'
  /** The name in credentials that were rejected or not fully checked. Not verified. */
  readonly claimedUser?: string | undefined
  /** The id of the personal key that was used, made or revoked. */
  readonly key?: string | undefined
  /** `pull`, `push`, `delete`, `tag`, `catalog`, `token`, … */
  readonly action: string
  readonly repository?: string | undefined
  readonly tags?: readonly string[] | undefined
  readonly digest?: string | undefined
  readonly method: string
  /** 499 if the client did not get the whole answer. */
  readonly status: number
  readonly allowed: boolean
  readonly outcome: AuditOutcome
}

/** The outcome of a request, whether or not the client received the answer:
 *  - `done`: carried out; for a download, the client took all bytes;
 *  - `failed`: allowed and started, and ended with an error;
 *  - `not done`: refused, or never started;
 *  - `unknown`: started, and the process stopped before its end. */
export type AuditOutcome = 'done' | 'failed' | 'not done' | 'unknown'

/** What nobody has requested: a schedule or a command has done it. */
export function unrequested(action: string): AuditEntry {
  return {
    ...{ requestId: '', address: '', user: '', kind: 'robot', action, method: '' },
    ...{ status: 0, allowed: true, outcome: 'done' },
  }
}

export interface AuditLog {
  record(entry: AuditEntry): void
}
