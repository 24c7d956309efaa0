import type { LeaseTiming } from '../../core/coordination/lease.ts'
import type { Log } from '../../core/log.ts'
import type { Registry } from '../../core/registry.ts'
import type { StorageDriver } from '../../core/storage-driver.ts'
import { JOURNAL_TIMING } from '../outbox/journal.ts'
import { TENURE_TIMING } from '../outbox/tenure.ts'
import type { Endpoint } from './endpoint.ts'

export interface DispatcherParts {
  readonly storage: StorageDriver
  /** Reads past all caches. */
  readonly registry: Registry
  readonly endpoints: readonly Endpoint[]
  /** How long delivered events are kept, in milliseconds. */
  readonly retentionMs: number
  readonly log: Log
  /** How often it looks for what other processes have announced. */
  readonly pollMs: number
  readonly timing?: DispatcherTiming
}

export interface DispatcherTiming {
  readonly tenure: LeaseTiming
  /** How long a process may be silent with a change under way. */
  readonly journalLeaseMs: number
}

export const DISPATCHER_TIMING: DispatcherTiming = {
  tenure: TENURE_TIMING,
  journalLeaseMs: JOURNAL_TIMING.leaseMs,
}
