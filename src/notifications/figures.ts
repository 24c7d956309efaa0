/** What a process has seen of the deliveries to an endpoint, in Distribution's terms. */
export interface EndpointFigures {
  /** Events that were taken up to be delivered. */
  events: number
  successes: number
  /** Answers that were no success. */
  failures: number
  /** Attempts without an answer. */
  errors: number
  /** Answers by status. */
  readonly statuses: Map<number, number>
  /** Events that wait, as far as this process knows: those in the log are counted before filters. */
  depth: number
  /** Repositories that wait behind an event that can't be delivered. */
  heldRepositories: number
  /** Events that were given up. */
  deadLetters: number
  /** Pull events that were dropped because too many were waiting. */
  droppedPulls: number
  /** When the oldest waiting event happened, in milliseconds since 1970; undefined if none waits. */
  oldestAt: number | undefined
  /** Why the endpoint is told nothing any more. */
  off: string | undefined
}

export function newFigures(): EndpointFigures {
  return {
    ...{ events: 0, successes: 0, failures: 0, errors: 0, statuses: new Map<number, number>() },
    ...{
      depth: 0,
      heldRepositories: 0,
      deadLetters: 0,
      droppedPulls: 0,
      oldestAt: undefined,
      off: undefined,
    },
  }
}
