/** How the registry is, for its operators; the project's docs/api.md describes it. */
import { getJson } from './http.ts'

export interface OperationsSummary {
  readonly version: string
  readonly storage: string
  readonly collection: CollectionSummary
  readonly scrub: ScrubSummary
  readonly endpoints: readonly EndpointStatus[]
}

export interface CollectionSummary {
  readonly enabled: boolean
  readonly nextAt: string | null
  readonly phase: string
  readonly last: {
    readonly endedAt: string
    readonly deletedBlobs: number
    readonly deletedBytes: number
    readonly removedManifests: number
    readonly findings: number
  } | null
}

export interface ScrubSummary {
  readonly enabled: boolean
  readonly nextAt: string | null
  readonly phase: string
  readonly startedAt: string | null
  readonly totals: {
    readonly blobs: number
    readonly bytes: number
    readonly damagedBlobs: number
    readonly healedBlobs: number
    readonly findings: number
  } | null
}

export interface EndpointStatus {
  readonly name: string
  readonly waiting: number
  readonly oldestAt: string | null
  readonly heldRepositories: number
  readonly deadLetters: number
  readonly off: string | null
}

export function getOperations(signal?: AbortSignal): Promise<OperationsSummary> {
  return getJson<OperationsSummary>('v2/_entrepot/operations/summary', signal)
}
