import { readCron } from '../../config/schema/key.ts'
import type { Config } from '../../config/schema.ts'
import { type AuditLog, unrequested } from '../../core/access/audit-log.ts'
import { LockBusy, type LockTiming, SharedLock } from '../../core/coordination/shared-lock.ts'
import type { Log } from '../../core/log.ts'
import type { Registry } from '../../core/registry.ts'
import { ImmutableTagsRegistry } from '../../lifecycle/immutable/registry.ts'
import { rulesForRetention } from '../../lifecycle/immutable/rules.ts'
import { RETENTION_LOCK } from '../../lifecycle/paths.ts'
import { Retention, type RetentionReport, type TagVerdict } from '../../lifecycle/retention/retention.ts'
import { run } from '../../maintenance/runner.ts'
import { Schedule } from '../../maintenance/schedule.ts'
import { openCommandAudit } from '../../observability/audit-log.ts'
import type { StoredRegistry } from '../../registry/registry.ts'
import { openRegistry } from '../open.ts'
import { countsUsage, isNotifying } from '../settings.ts'
import { openHistory } from './history.ts'
import { readPulls } from './pulls.ts'

export type { RetentionReport, TagVerdict } from '../../lifecycle/retention/retention.ts'

export interface RetentionRunOptions {
  readonly dryRun: boolean
  readonly log: Log
  readonly signal?: AbortSignal | undefined
  /** True to find out what becomes free: see `RetentionOptions`. */
  readonly measures?: boolean | undefined
  /** Gets a line for each removal. */
  readonly audit?: AuditLog | undefined
  /** Called for each tag that a rule's repository has. */
  readonly onVerdict?: ((verdict: TagVerdict) => void) | undefined
}

/** A report, and how many removals failed. */
export interface RetentionResult extends RetentionReport {
  readonly failed: number
}

const LEASE = { leaseMs: 60_000, beatMs: 10_000, longestWaitMs: 5_000 }
/** A scheduled run waits, to take over if the process that runs dies. */
const SCHEDULED: LockTiming = { ...LEASE, patienceMs: Number.POSITIVE_INFINITY }
const BY_HAND: LockTiming = { ...LEASE, patienceMs: 2 * LEASE.leaseMs }

/** Schedules retention. Undefined without rules. Of all processes that share the storage one runs at each time. */
export function scheduleRetention(
  config: Config,
  registry: StoredRegistry,
  { log, audit }: { log: Log; audit?: AuditLog | undefined },
): Schedule | undefined {
  const { rules, schedule, dryrun: dryRun } = config.policies.retention
  const { readonly } = config.storage.maintenance
  const cron = rules.length > 0 && !readonly.enabled ? readCron(schedule) : undefined
  if (cron === undefined) return undefined
  let due = new Date()
  const untilNext = () => {
    due = cron.next(new Date())
    return due.getTime() - Date.now()
  }
  const work = async (signal: AbortSignal) => {
    const scheduledAt = due.toISOString()
    await lockOf(registry, SCHEDULED).during(
      async ({ note, requireHeld }) => {
        if (note !== undefined && note >= scheduledAt) return note
        const report = await retain(config, registry, { dryRun, log, signal, audit }, requireHeld)
        log.info({ ...report, dryRun }, 'retention ended')
        return scheduledAt
      },
      { signal },
    )
  }
  return new Schedule({ name: 'retention', intervalMs: untilNext, firstDelayMs: untilNext(), log, work })
}

/** Runs retention once, in a process of its own, beside the serving registries, with a line in the audit log for each removal.
 *  @throws Error if there are no rules, the registry is read-only, or another process is at it */
export async function retainOnce(
  config: Config,
  options: Omit<RetentionRunOptions, 'audit'>,
): Promise<RetentionResult> {
  const { dryRun, log, signal } = options
  requireRules(config, dryRun)
  await using opened = new AsyncDisposableStack()
  const audit = dryRun ? undefined : opened.use(openCommandAudit(config.auth.audit, log))
  const registry = opened.adopt(
    await openRegistry(config, { metrics: undefined, workerGroup: undefined, log }),
    (one) => one.close(),
  )
  try {
    if (dryRun) return await retain(config, registry, options)
    let result: RetentionResult | undefined
    await lockOf(registry, BY_HAND).during(
      async ({ note, requireHeld }) => {
        result = await retain(config, registry, { ...options, audit }, requireHeld)
        return note
      },
      { signal },
    )
    return result as RetentionResult
  } catch (cause) {
    if (cause instanceof LockBusy) throw new Error('another process runs retention', { cause })
    throw cause
  }
}

function requireRules({ policies, storage }: Config, dryRun: boolean): void {
  if (policies.retention.rules.length === 0)
    throw new Error('policies.retention.rules is empty: nothing is removed')
  if (storage.inmemory !== undefined)
    throw new Error('storage.inmemory is in the memory of the registry that serves')
  if (!dryRun && storage.maintenance.readonly.enabled)
    throw new Error('storage.maintenance.readonly.enabled is true: nothing is removed')
}

function lockOf({ storage }: StoredRegistry, timing: LockTiming): SharedLock {
  return new SharedLock({ storage, path: RETENTION_LOCK, timing })
}

/** @param requireHeld throws if another process may have taken over */
async function retain(
  config: Config,
  stored: StoredRegistry,
  { dryRun, log, signal, measures, audit, onVerdict }: RetentionRunOptions,
  requireHeld: () => void = () => {},
): Promise<RetentionResult> {
  const { immutable, retention: configured } = config.policies
  await using opened = new AsyncDisposableStack()
  const notifications = opened.adopt(await openNotifications(config, stored, log), (one) => one?.close())
  const history = config.policies.history.enabled
    ? openHistory(config, stored, { cause: 'retention' })
    : undefined
  const ruled: Registry = new ImmutableTagsRegistry(history?.wrap(stored) ?? stored, {
    rules: rulesForRetention(immutable),
    storage: stored.storage,
  })
  const usage = opened.adopt(await usageOf(config, stored, log), (one) => one?.close())
  const governed = usage?.wrap(ruled) ?? ruled
  const registry = notifications?.wrap(governed) ?? governed
  const pulls = readPulls(config, stored)
  const onRemoved = ({ repository, entry: { tag, digest } }: TagVerdict) =>
    audit?.record({ ...RETAINED, repository, tags: [tag], digest })
  const { rules } = configured
  const retention = new Retention({ registry, rules, immutable, signal, pulls, measures, onRemoved })
  async function* steps() {
    for await (const step of retention.steps(onVerdict)) {
      requireHeld()
      yield step
    }
  }
  const { failed } = await run(steps(), { log, dryRun, ...(signal && { signal }) })
  return { ...retention.report, failed }
}

const RETAINED = unrequested('retention')

/** What is removed makes room at once. */
async function usageOf(config: Config, registry: StoredRegistry, log: Log) {
  if (!countsUsage(config)) return undefined
  return (await import('./usage.ts')).openUsage(config, registry, log)
}

/** Removals are announced like those of clients. A process that serves delivers the events. */
async function openNotifications(config: Config, registry: StoredRegistry, log: Log) {
  if (!isNotifying(config)) return undefined
  const { openNotifications: open } = await import('../notifications.ts')
  return open(config, registry, { metrics: undefined, log, delivers: false })
}
