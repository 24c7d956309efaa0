import type { Config } from '../../config/schema.ts'
import type { RecordedPulls } from '../../core/lifecycle/pulls.ts'
import type { Log } from '../../core/log.ts'
import type { PullObserver } from '../../core/notifications/pull-observer.ts'
import { PullFiles } from '../../lifecycle/pulls/pull-files.ts'
import { PullRecorder, type PullRecorderOptions } from '../../lifecycle/pulls/pull-recorder.ts'
import { Schedule } from '../../maintenance/schedule.ts'
import type { StoredRegistry } from '../../registry/registry.ts'

/** A process's part in recording pulls. */
export interface Pulls {
  /** Observes pulls, beside another observer. Nothing is recorded if the registry is read-only. */
  observe(other: PullObserver | undefined): PullObserver | undefined
  readonly recorded: RecordedPulls
  close(): Promise<void>
}

export async function openPulls(
  { policies, storage }: Config,
  registry: StoredRegistry,
  { log, onWritten }: Pick<PullRecorderOptions, 'log' | 'onWritten'>,
): Promise<Pulls> {
  const files = new PullFiles(registry.storage)
  const { interval: intervalMs, except } = policies.pulls
  if (storage.maintenance.readonly.enabled)
    return { observe: (other) => other, recorded: files, close: async () => {} }
  const recorder = new PullRecorder({ files, intervalMs, except, log, onWritten })
  await recorder.begin()
  return { observe: (other) => bothObservers(recorder, other), recorded: files, close: () => recorder.stop() }
}

/** The pulls of other processes, for those that only read. Undefined if none are recorded. */
export function readPulls({ policies }: Config, registry: StoredRegistry): RecordedPulls | undefined {
  return policies.pulls.enabled ? new PullFiles(registry.storage) : undefined
}

const HOUR_MS = 3_600_000

/** Adds up what all processes have recorded, each hour. Undefined if the registry is read-only. */
export function scheduleCompaction(
  { storage }: Config,
  registry: StoredRegistry,
  log: Log,
): Schedule | undefined {
  if (storage.maintenance.readonly.enabled) return undefined
  const files = new PullFiles(registry.storage)
  return new Schedule({
    name: 'compaction of pulls',
    intervalMs: HOUR_MS,
    firstDelayMs: HOUR_MS / 2,
    log,
    work: (signal) => files.compact(signal),
  })
}

/** Tells both of each pull. */
function bothObservers(one: PullObserver, other: PullObserver | undefined): PullObserver {
  if (other === undefined) return one
  return {
    readsPayload: one.readsPayload || other.readsPayload,
    pulled(pull, origin) {
      one.pulled(pull, origin)
      other.pulled(pull, origin)
    },
  }
}
