/** Who did what to what, whether they were let, and what came of it. Never a secret. */
export interface AuditEntry {
  readonly requestId: string
  readonly address: string
  /** Who was authenticated; empty for whoever has no name. */
  readonly user: string
  readonly kind: 'anonymous' | 'user' | 'robot'
  /** The name in credentials that were not accepted, or not checked to the end. It proves nothing. */
  readonly claimedUser?: string | undefined
  /** `pull`, `push`, `delete`, `tag`, `catalog`, `token`, … */
  readonly action: string
  readonly repository?: string | undefined
  readonly tags?: readonly string[] | undefined
  readonly digest?: string | undefined
  readonly method: string
  /** 499 when the client did not get the whole answer. */
  readonly status: number
  readonly allowed: boolean
  readonly outcome: AuditOutcome
}

/** What came of a request, whether or not its client was there to learn of it:
 *  - `done`: what was asked for was carried out; of a download, all bytes were taken;
 *  - `failed`: it was allowed and begun, and ended with an error;
 *  - `not done`: it was refused, or never begun;
 *  - `unknown`: it was begun, and the process stopped before its end. */
export type AuditOutcome = 'done' | 'failed' | 'not done' | 'unknown'

export interface AuditLog {
  record(entry: AuditEntry): void
}
