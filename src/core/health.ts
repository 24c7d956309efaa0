/** The health of the registry. */
export interface Health {
  /** The failed checks: their messages by their names. Empty while healthy. */
  readonly failures: ReadonlyMap<string, string>
  /** True once storage has answered since the process started. */
  readonly hasStarted: boolean
}

/** The health if no checks are configured. */
export const HEALTHY: Health = { failures: new Map(), hasStarted: true }
