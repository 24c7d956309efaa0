import type { LastCollection } from '../collection/last-collection.ts'
import type { ScrubTotals } from '../scrub/scrub-state.ts'

/** How the registry is, for its operators. Times are RFC 3339. */
export interface OperationsSummary {
  /** The name of the storage driver. */
  readonly storage: string
  readonly collection: CollectionSummary
  readonly scrub: ScrubSummary
  /** Endpoints of notifications. */
  readonly endpoints: readonly EndpointStatus[]
}

interface Scheduled {
  /** False if it does not run by itself. */
  readonly enabled: boolean
  /** Null if it does not run by itself. */
  readonly nextAt: string | null
}

export interface CollectionSummary extends Scheduled {
  /** `idle`, or what a process is doing. */
  readonly phase: string
  /** Null if none has come to its end. */
  readonly last: LastCollection | null
}

export interface ScrubSummary extends Scheduled {
  /** `idle`, or what a process is doing, or was doing when it ended. */
  readonly phase: string
  /** Of the run that is under way, or else of the last one; null if there was none. */
  readonly startedAt: string | null
  readonly totals: ScrubTotals | null
}

/** An endpoint that is told of changes. */
export interface EndpointStatus {
  readonly name: string
  /** Events that it was not told yet, before filters. */
  readonly waiting: number
  /** When the oldest of them happened; null if there is none. */
  readonly oldestAt: string | null
  /** Repositories whose events wait for a delivery that fails. */
  readonly heldRepositories: number
  /** Events that could not be delivered in time; counted up to 1000. */
  readonly deadLetters: number
  /** Why it is told nothing any more. */
  readonly off: string | null
}

/** The port to what is known of a registry's work. */
export interface Operations {
  /** Read from storage, whichever process works. */
  summary(): Promise<OperationsSummary>
}
