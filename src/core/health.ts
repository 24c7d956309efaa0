/** Whether the registry can serve. */
export interface Health {
  /** What is wrong, by the name of what was checked. Empty while nothing is. */
  readonly failures: ReadonlyMap<string, string>
  /** Whether storage has answered since the process started. */
  readonly hasStarted: boolean
}

/** Where nothing is checked. */
export const HEALTHY: Health = { failures: new Map(), hasStarted: true }
