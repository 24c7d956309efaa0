/** Who did what to what, and whether they were let. Never a secret. */
export interface AuditEntry {
  readonly requestId: string
  readonly address: string
  /** Empty for whoever has no name. */
  readonly user: string
  readonly kind: 'anonymous' | 'user' | 'robot'
  /** `pull`, `push`, `delete`, `tag`, `catalog`, `token`, … */
  readonly action: string
  readonly repository?: string | undefined
  readonly tags?: readonly string[] | undefined
  readonly digest?: string | undefined
  readonly method: string
  readonly status: number
  readonly allowed: boolean
}

export interface AuditLog {
  record(entry: AuditEntry): void
}
