import { readCron } from '../../config/schema/key.ts'
import type { Config } from '../../config/schema.ts'
import { type AuditLog, unrequested } from '../../core/access/audit-log.ts'
import { LockBusy, type LockTiming, SharedLock } from '../../core/coordination/shared-lock.ts'
import type { Log } from '../../core/log.ts'
import { newScrubFigures, type ScrubFigures } from '../../core/scrub/scrub-figures.ts'
import { SCRUB_LOCK, scrubState } from '../../core/scrub/scrub-state.ts'
import type { StorageDriver } from '../../core/storage-driver.ts'
import { run } from '../../maintenance/runner.ts'
import { Schedule } from '../../maintenance/schedule.ts'
import { Scrub, type ScrubActivity, type ScrubReport, type ScrubStep } from '../../maintenance/scrub/scrub.ts'
import { openCommandAudit } from '../../observability/audit-log.ts'
import type { Metrics } from '../../observability/metrics.ts'
import type { StoredRegistry } from '../../registry/registry.ts'
import { openRegistry } from '../open.ts'
import { openDriver } from '../storage.ts'

export type { ScrubReport } from '../../maintenance/scrub/scrub.ts'

export interface ScrubRunOptions {
  /** Bytes per second; 0 for no limit. */
  readonly pace: number
  readonly dryRun: boolean
  /** The configuration of another storage that blobs are healed from. */
  readonly from?: Config | undefined
  readonly log: Log
  /** Gets a line for each blob that is put into quarantine or healed. */
  readonly audit?: AuditLog | undefined
  readonly signal?: AbortSignal | undefined
  /** Called with what shows the progress, when the scrub begins. */
  readonly onBegin?: ((activity: () => ScrubActivity) => void) | undefined
  readonly onStep?: ((step: ScrubStep) => void) | undefined
}

const LEASE = { leaseMs: 60_000, beatMs: 10_000, longestWaitMs: 5_000 }
/** A scheduled run waits, to take over if the process that scrubs dies. */
const SCHEDULED: LockTiming = { ...LEASE, patienceMs: Number.POSITIVE_INFINITY }
const BY_HAND: LockTiming = { ...LEASE, patienceMs: 2 * LEASE.leaseMs }

/** A run that was cut short is continued so long after the start. */
const CONTINUE_AFTER_MS = 60_000

/** Schedules scrubs. Undefined if they are disabled. Of all processes that share the storage one runs each. */
export function scheduleScrub(
  { storage }: Config,
  registry: StoredRegistry,
  { metrics, log, audit }: { metrics: Metrics | undefined; log: Log; audit?: AuditLog | undefined },
): Schedule | undefined {
  const { scrub, readonly } = storage.maintenance
  const cron = scrub.enabled && !readonly.enabled ? readCron(scrub.schedule) : undefined
  if (cron === undefined) return undefined
  let due = cron.next(new Date())
  const figures = newScrubFigures()
  metrics?.showScrubs(figures)
  const onStep = ({ digest, intent, outcome }: ScrubStep) => {
    if (outcome() === undefined) return
    log.warn({ digest, outcome: outcome() }, `scrub: ${intent.action}`)
  }
  const work = async (signal: AbortSignal) => {
    const scheduledAt = due.toISOString()
    // A timer may be early by some milliseconds.
    const isDue = due.getTime() <= Date.now() + 1_000
    if (!isDue && !(await isCutShort(registry))) return
    await lockOf(registry, SCHEDULED).during(
      async ({ note, requireHeld }) => {
        const isDone = isDue ? note !== undefined && note >= scheduledAt : !(await isCutShort(registry))
        if (isDone) return note
        const options = { pace: scrub.pace, dryRun: false, log, audit, signal, onStep }
        await counted(figures, { log, signal, scrub: () => scrubContent(registry, options, requireHeld) })
        return isDue ? scheduledAt : note
      },
      { signal },
    )
  }
  const untilNext = () => {
    due = cron.next(new Date())
    return due.getTime() - Date.now()
  }
  const firstDelayMs = Math.min(untilNext(), CONTINUE_AFTER_MS)
  return new Schedule({ name: 'scrub', intervalMs: untilNext, firstDelayMs, log, work })
}

const SCRUBBED = unrequested('scrub')

async function isCutShort({ storage }: StoredRegistry): Promise<boolean> {
  const found = await scrubState(storage).get()
  return found !== undefined && found.state.phase !== 'done'
}

interface Counted {
  readonly log: Log
  readonly signal: AbortSignal
  readonly scrub: () => Promise<ScrubReport>
}

async function counted(figures: ScrubFigures, { log, signal, scrub }: Counted): Promise<void> {
  figures.isRunning = true
  try {
    const { totals, findings } = await scrub()
    for (const finding of findings) log.warn({ ...finding }, 'scrub: stored content is not as it should be')
    log.info({ ...totals }, 'scrub ended')
    figures.scrubs++
    figures.blobs += totals.blobs
    figures.bytes += totals.bytes
    figures.damagedBlobs += totals.damagedBlobs
    figures.healedBlobs += totals.healedBlobs
    figures.findings = totals.findings
    figures.lastSuccessAt = Date.now() / 1000
  } catch (error) {
    if (!signal.aborted) figures.failures++
    throw error
  } finally {
    figures.isRunning = false
  }
}

/** Scrubs once, in a process of its own, beside the serving registries.
 *  @throws Error if another process scrubs, or if storage can't be opened or read */
export async function scrubOnce(
  config: Config,
  options: Omit<ScrubRunOptions, 'audit'>,
): Promise<ScrubReport> {
  const { log, signal, dryRun } = options
  if (config.storage.inmemory !== undefined)
    throw new Error('storage.inmemory is in the memory of the registry that serves')
  if (!dryRun && config.storage.maintenance.readonly.enabled)
    throw new Error('storage.maintenance.readonly.enabled is true: only --dry-run is possible')
  await using opened = new AsyncDisposableStack()
  const audit = dryRun ? undefined : opened.use(openCommandAudit(config.auth.audit, log))
  const registry = opened.adopt(
    await openRegistry(config, { metrics: undefined, workerGroup: undefined, log }),
    (one) => one.close(),
  )
  const from = opened.adopt(await openOther(options.from, log), (driver) => driver?.close())
  if (dryRun) return scrubContent(registry, { ...options, from })
  let report: ScrubReport | undefined
  try {
    await lockOf(registry, BY_HAND).during(
      async ({ note, requireHeld }) => {
        report = await scrubContent(registry, { ...options, audit, from }, requireHeld)
        return note
      },
      { signal },
    )
  } catch (cause) {
    if (cause instanceof LockBusy) throw new Error('another process scrubs this storage', { cause })
    throw cause
  }
  return report as ScrubReport
}

/** A storage that is only read. */
async function openOther(config: Config | undefined, log: Log): Promise<StorageDriver | undefined> {
  if (config === undefined) return undefined
  const { storage } = config
  const maintenance = { ...storage.maintenance, readonly: { enabled: true } }
  return openDriver({ ...storage, maintenance } as Config['storage'], log)
}

function lockOf({ storage }: StoredRegistry, timing: LockTiming): SharedLock {
  return new SharedLock({ storage, path: SCRUB_LOCK, timing })
}

type ContentOptions = Omit<ScrubRunOptions, 'from'> & { readonly from?: StorageDriver | undefined }

/** @param requireHeld throws if another process may have taken over */
async function scrubContent(
  registry: StoredRegistry,
  { pace, dryRun, from, log, audit, signal, onBegin, onStep: noteStep }: ContentOptions,
  requireHeld: () => void = () => {},
): Promise<ScrubReport> {
  const scrub = new Scrub({ content: registry.collectable, pace, dryRun, from, signal })
  onBegin?.(() => scrub.activity)
  async function* steps() {
    for await (const step of scrub.steps()) {
      requireHeld()
      yield step
    }
  }
  const onStep = (step: ScrubStep) => {
    if (step.outcome() !== undefined) audit?.record({ ...SCRUBBED, digest: step.digest })
    noteStep?.(step)
  }
  await run(steps(), { log, dryRun, onStep, ...(signal && { signal }) })
  signal?.throwIfAborted()
  return scrub.report
}
