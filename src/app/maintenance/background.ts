import type { Config } from '../../config/schema.ts'
import type { AuditLog } from '../../core/access/audit-log.ts'
import type { Log } from '../../core/log.ts'
import type { Metrics } from '../../observability/metrics.ts'
import type { StoredRegistry } from '../../registry/registry.ts'
import { countsUsage } from '../settings.ts'
import { schedulePurging } from '../upload-purging.ts'

export interface BackgroundParts {
  readonly metrics: Metrics | undefined
  readonly log: Log
  readonly audit?: AuditLog | undefined
}

/** Schedules all work that is done once however many workers serve, and loads the code of what is configured.
 *  @returns stops it */
export async function startBackground(
  config: Config,
  registry: StoredRegistry,
  parts: BackgroundParts,
): Promise<AsyncDisposableStack> {
  await using started = new AsyncDisposableStack()
  const { log } = parts
  const adopt = (work: { stop(): Promise<void> | void } | undefined) =>
    started.adopt(work, (work) => work?.stop())
  adopt(schedulePurging(config, registry, log))
  adopt(await openCollection(config, registry, parts))
  adopt(await openRetention(config, registry, parts))
  adopt(await openHistoryUpkeep(config, registry, log))
  adopt(await openScrub(config, registry, parts))
  adopt(await openCompaction(config, registry, log))
  adopt(await openRecount(config, registry, log))
  return started.move()
}

/** Loads the code of garbage collection only if it is enabled. */
async function openCollection(
  config: Config,
  registry: StoredRegistry,
  parts: { metrics: Metrics | undefined; log: Log; audit?: AuditLog | undefined },
) {
  if (!config.storage.maintenance.gc.enabled) return undefined
  return (await import('./collection.ts')).scheduleCollection(config, registry, parts)
}

/** Loads the code of scrubs only if they are enabled. */
async function openScrub(
  config: Config,
  registry: StoredRegistry,
  parts: { metrics: Metrics | undefined; log: Log; audit?: AuditLog | undefined },
) {
  if (!config.storage.maintenance.scrub.enabled) return undefined
  return (await import('./scrub.ts')).scheduleScrub(config, registry, parts)
}

async function openHistoryUpkeep(config: Config, registry: StoredRegistry, log: Log) {
  if (!config.policies.history.enabled) return undefined
  return (await import('../lifecycle/history.ts')).scheduleUpkeep(config, registry, log)
}

async function openCompaction(config: Config, registry: StoredRegistry, log: Log) {
  if (!config.policies.pulls.enabled) return undefined
  return (await import('../lifecycle/pulls.ts')).scheduleCompaction(config, registry, log)
}

async function openRecount(config: Config, registry: StoredRegistry, log: Log) {
  if (!countsUsage(config)) return undefined
  return (await import('../lifecycle/usage.ts')).scheduleRecount(config, registry, log)
}

/** Loads the code of retention only if there are rules. */
async function openRetention(
  config: Config,
  registry: StoredRegistry,
  parts: { log: Log; audit?: AuditLog | undefined },
) {
  if (config.policies.retention.rules.length === 0) return undefined
  return (await import('../lifecycle/retention.ts')).scheduleRetention(config, registry, parts)
}
