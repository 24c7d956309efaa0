import type { Config } from '../config/schema.ts'
import type { Log } from '../core/log.ts'
import type { Registry } from '../core/registry.ts'
import { run } from '../maintenance/runner.ts'
import { Schedule } from '../maintenance/schedule.ts'
import { uploadPurging } from '../maintenance/upload-purging.ts'

/** Delay of the first purge after the start. */
const FIRST_PURGE_DELAY_MS = 60_000

/** Schedules upload purging. Undefined if it is disabled. */
export function schedulePurging({ storage }: Config, registry: Registry, log: Log): Schedule | undefined {
  const { uploadpurging, readonly } = storage.maintenance
  if (!uploadpurging.enabled || readonly.enabled) return undefined
  return new Schedule({
    name: 'upload purging',
    intervalMs: uploadpurging.interval,
    firstDelayMs: Math.min(uploadpurging.interval, FIRST_PURGE_DELAY_MS),
    log,
    work: (signal) =>
      run(uploadPurging(registry, { ageMs: uploadpurging.age }), {
        log,
        dryRun: uploadpurging.dryrun,
        signal,
      }),
  })
}
