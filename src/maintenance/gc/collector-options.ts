import type { Collectable } from '../../core/collection/collectable.ts'
import { TRUSTED_MS } from '../../core/collection/collection-state.ts'
import type { LeaseTiming } from '../../core/coordination/lease.ts'
import { TIMING } from './tenure.ts'

export interface CollectorTiming extends LeaseTiming {
  /** Between writing the lists and looking for new links, in milliseconds. */
  readonly settleMs: number
}

export interface CollectorOptions {
  readonly content: Collectable
  /** How old a blob must be, and the last link to it, in milliseconds. */
  readonly graceMs: number
  /** Requests a second; 0 for as many as go. */
  readonly pace: number
  readonly dryRun: boolean
  /** True if manifests are removed that nothing keeps. Default: false. */
  readonly untagged?: boolean | undefined
  /** True if blobs go into quarantine, because registries that take no part write to the same storage. Not
   *  possible with `untagged`. Default: false. */
  readonly coexist?: boolean | undefined
  /** How many blobs are deleted at a time. */
  readonly batchSize?: number
  readonly timing?: CollectorTiming
  /** How long a batch may take at most, in milliseconds. */
  readonly fenceMs?: number
  readonly signal?: AbortSignal | undefined
}

export const COLLECTOR_TIMING: CollectorTiming = { ...TIMING, settleMs: 2 * TRUSTED_MS + 2_000 }
