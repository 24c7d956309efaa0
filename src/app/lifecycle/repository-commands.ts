import type { Config } from '../../config/schema.ts'
import type { RepositoryHistory } from '../../core/lifecycle/history.ts'
import type { Log } from '../../core/log.ts'
import type { Registry } from '../../core/registry.ts'
import { openCommandAudit } from '../../observability/audit-log.ts'
import type { StoredRegistry } from '../../registry/registry.ts'
import { openRegistry } from '../open.ts'
import { countsUsage, isNotifying } from '../settings.ts'
import { auditedHistory } from './audited-history.ts'
import { openHistory } from './history.ts'
import { applyPolicies } from './policies.ts'

/** Runs work on the history of repositories, beside the serving registries, by the same policies; events are announced as for what
 *  clients do, and the audit log has lines.
 *  @param options.changes true for work that deletes or restores something
 *  @throws Error if no history is kept, the registry is read-only, or its storage is in the memory of another process */
export async function withHistory<Result>(
  config: Config,
  {
    log,
    changes,
    work,
  }: { log: Log; changes: boolean; work: (history: RepositoryHistory) => Promise<Result> },
): Promise<Result> {
  requireHistory(config)
  await using opened = new AsyncDisposableStack()
  const audit = changes ? opened.use(openCommandAudit(config.auth.audit, log)) : undefined
  const stored = opened.adopt(
    await openRegistry(config, { metrics: undefined, workerGroup: undefined, log }),
    (one) => one.close(),
  )
  const history = openHistory(config, stored, { cause: 'command' })
  const ruled = applyPolicies(history.wrap(stored), config, stored.storage)
  const usage = opened.adopt(await usageOf(config, stored, log), (one) => one?.close())
  const governed = usage?.wrap(ruled) ?? ruled
  const notifying = opened.adopt(await notifyingOf(config, stored, log), (one) => one?.close())
  const registry: Registry = notifying?.wrap(governed) ?? governed
  const found = await history.open(registry)
  return await work(audit === undefined ? found : auditedHistory(found, audit))
}

function requireHistory({ policies, storage }: Config): void {
  if (!policies.history.enabled) throw new Error('policies.history.enabled is false: nothing could be undone')
  if (storage.inmemory !== undefined)
    throw new Error('storage.inmemory is in the memory of the registry that serves')
  if (storage.maintenance.readonly.enabled)
    throw new Error('storage.maintenance.readonly.enabled is true: nothing is changed')
}

async function usageOf(config: Config, stored: StoredRegistry, log: Log) {
  if (!countsUsage(config)) return undefined
  return (await import('./usage.ts')).openUsage(config, stored, log)
}

async function notifyingOf(config: Config, stored: StoredRegistry, log: Log) {
  if (!isNotifying(config)) return undefined
  const { openNotifications } = await import('../notifications.ts')
  return openNotifications(config, stored, { metrics: undefined, log, delivers: false })
}
