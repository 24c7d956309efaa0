import { setTimeout as delay } from 'node:timers/promises'
import type { Config } from '../../config/schema.ts'
import type { Usage } from '../../core/lifecycle/usage.ts'
import type { Log } from '../../core/log.ts'
import type { Registry } from '../../core/registry.ts'
import { UsageCount } from '../../lifecycle/usage/count.ts'
import { UsageLedger } from '../../lifecycle/usage/ledger.ts'
import { QuotaRules } from '../../lifecycle/usage/quotas.ts'
import { UsageRegistry } from '../../lifecycle/usage/registry.ts'
import { changedBetween, UsageFiles } from '../../lifecycle/usage/usage-files.ts'
import { Schedule } from '../../maintenance/schedule.ts'
import type { StoredRegistry } from '../../registry/registry.ts'
import { openRegistry } from '../open.ts'

/** A process's part in counting what is used. */
export interface OpenUsage {
  readonly usage: Usage
  /** A registry that counts what is changed by it, and refuses what exceeds a quota. */
  wrap(registry: Registry): Registry
  close(): Promise<void>
}

export async function openUsage(
  { policies, storage }: Config,
  registry: StoredRegistry,
  log: Log,
): Promise<OpenUsage> {
  const quotas = new QuotaRules(policies.quotas)
  const ledger = new UsageLedger({ files: new UsageFiles(registry.storage), quotas, log })
  const isReadOnly = storage.maintenance.readonly.enabled
  try {
    if (!(await ledger.begin()) && !isReadOnly)
      log.info({}, 'usage has not been counted yet; until then quotas know only of what is pushed now')
  } catch (err) {
    log.warn({ err }, 'usage could not be read; it is read again with the next push')
  }
  return {
    usage: ledger,
    wrap: (wrapped) => (isReadOnly ? wrapped : new UsageRegistry(wrapped, { ledger, quotas })),
    close: () => ledger.stop(),
  }
}

/** Longer than a process takes to write down what it has changed. */
const SETTLE_MS = 2_500
const MAX_ATTEMPTS = 5

/** Counts everything that is stored. What is changed meanwhile is counted again, so that nothing counts twice: only a repository that is
 *  changed all the time may seem too large until the next count.
 *  @param options.settleMs default: some seconds
 *  @throws StorageError */
export async function recount(
  registry: StoredRegistry,
  { signal, settleMs = SETTLE_MS }: { signal?: AbortSignal | undefined; settleMs?: number } = {},
): Promise<void> {
  const files = new UsageFiles(registry.storage)
  let included = await files.changes()
  const count = await UsageCount.begin({ content: registry.collectable, signal })
  for (let attempt = 1; attempt <= MAX_ATTEMPTS; attempt++) {
    await delay(settleMs, undefined, { signal })
    const changes = await files.changes()
    const changed = changedBetween(included, changes)
    if (changed.length === 0) break
    included = changes
    for (const repository of changed) await count.again(repository)
  }
  await files.writeTotals(count.result, { included, now: await registry.storageTime() })
}

const HOUR_MS = 3_600_000
const FIRST_DELAY_MS = 2_000

/** Counts once if that was never done, and each day if no collection does. Undefined if the registry is read-only. */
export function scheduleRecount(
  { storage }: Config,
  registry: StoredRegistry,
  log: Log,
): Schedule | undefined {
  if (storage.maintenance.readonly.enabled) return undefined
  const files = new UsageFiles(registry.storage)
  const work = async (signal: AbortSignal) => {
    const countedAt = Date.parse((await files.totals())?.countedAt ?? '')
    if (Date.now() - countedAt < 23 * HOUR_MS) return
    await recount(registry, { signal })
    log.info({}, 'usage was counted')
  }
  return new Schedule({ name: 'usage', intervalMs: HOUR_MS, firstDelayMs: FIRST_DELAY_MS, log, work })
}

/** Looks at usage in a process of its own, beside the serving registries.
 *  @param options.recounts true to count first
 *  @throws Error if the storage belongs to another process, or nothing may be written */
export async function withUsage<Result>(
  config: Config,
  { recounts, log, work }: { recounts: boolean; log: Log; work: (usage: Usage) => Promise<Result> },
): Promise<Result> {
  const { policies, storage } = config
  if (storage.inmemory !== undefined)
    throw new Error('storage.inmemory is in the memory of the registry that serves')
  if (recounts && storage.maintenance.readonly.enabled)
    throw new Error('storage.maintenance.readonly.enabled is true: nothing is written')
  const registry = await openRegistry(config, { metrics: undefined, workerGroup: undefined, log })
  try {
    if (recounts) await recount(registry)
    const quotas = new QuotaRules(policies.quotas)
    return await work(new UsageLedger({ files: new UsageFiles(registry.storage), quotas, log }))
  } finally {
    await registry.close()
  }
}
