import { readCron } from '../../config/schema/key.ts'
import type { Config } from '../../config/schema.ts'
import { type AuditEntry, type AuditLog, unrequested } from '../../core/access/audit-log.ts'
import { type CollectionFigures, newCollectionFigures } from '../../core/collection/collection-figures.ts'
import { writeLastCollection } from '../../core/collection/last-collection.ts'
import { StorageError } from '../../core/errors.ts'
import type { Log } from '../../core/log.ts'

import type {
  CollectionProgress,
  CollectionReport,
  CollectionStep,
} from '../../maintenance/gc/collection-report.ts'
import { Collector } from '../../maintenance/gc/collector.ts'
import { COLLECTOR_TIMING, type CollectorTiming } from '../../maintenance/gc/collector-options.ts'
import { CollectorBusy } from '../../maintenance/gc/tenure.ts'
import { run } from '../../maintenance/runner.ts'
import { Schedule } from '../../maintenance/schedule.ts'
import { openCommandAudit } from '../../observability/audit-log.ts'
import type { Metrics } from '../../observability/metrics.ts'
import type { StoredRegistry } from '../../registry/registry.ts'
import { openRegistry } from '../open.ts'
import { countsUsage } from '../settings.ts'
import { restorableContent } from './restorable-content.ts'

export type { CollectionProgress, CollectionReport }

export interface CollectionOptions {
  readonly graceMs: number
  /** Requests per second; 0 for no limit. */
  readonly pace: number
  readonly dryRun: boolean
  /** True if manifests are removed that no tag keeps, no index and no subject. */
  readonly untagged: boolean
  /** True if collected blobs are kept in quarantine, because others write to the same storage. */
  readonly coexist: boolean
  readonly log: Log
  /** Gets a line for each blob and manifest. */
  readonly audit?: AuditLog | undefined
  readonly signal?: AbortSignal | undefined
  /** Default: that of `Collector`. */
  readonly timing?: CollectorTiming | undefined
  /** Called with what shows the progress, when the collection begins. */
  readonly onBegin?: (progress: () => CollectionProgress) => void
  readonly onDeleted?: (blob: { readonly digest: string; readonly size: number }) => void
  readonly onRemoved?: (manifest: { readonly repository: string; readonly digest: string }) => void
  readonly onRestored?: (digest: string) => void
}

/** Schedules garbage collection. Undefined if it is disabled. Of all processes that share the storage one
 *  collects at a time. */
export function scheduleCollection(
  config: Config,
  registry: StoredRegistry,
  { metrics, log, audit }: { metrics: Metrics | undefined; log: Log; audit?: AuditLog | undefined },
): Schedule | undefined {
  const { gc, readonly } = config.storage.maintenance
  const counts = countsUsage(config)
  const cron = gc.enabled && !readonly.enabled ? readCron(gc.schedule) : undefined
  if (cron === undefined) return undefined
  const untilNext = () => cron.next(new Date()).getTime() - Date.now()
  const figures = newCollectionFigures()
  metrics?.showCollections(figures)
  return new Schedule({
    name: 'garbage collection',
    intervalMs: untilNext,
    firstDelayMs: untilNext(),
    log,
    work: (signal) => {
      const work = async () => {
        await collectAsScheduled(gc, registry, { figures, log, audit, signal })
        if (counts) await recountUsage(registry, signal)
      }
      return counted(figures, work, { signal, log })
    },
  })
}

export interface ScheduledCollectionParts {
  readonly figures: CollectionFigures
  readonly log: Log
  readonly audit: AuditLog | undefined
  readonly signal: AbortSignal
  readonly timing?: CollectionOptions['timing']
}

/** One scheduled collection: what it deletes is counted, logged and audited. */
export async function collectAsScheduled(
  gc: Pick<Config['storage']['maintenance']['gc'], 'grace' | 'pace' | 'untagged' | 'coexist'>,
  registry: StoredRegistry,
  { figures, log, audit, signal, timing }: ScheduledCollectionParts,
): Promise<void> {
  const { grace: graceMs, pace, untagged, coexist } = gc
  const {
    findings,
    removed: _,
    ...report
  } = await collect(registry, {
    ...{ graceMs, pace, untagged, coexist, dryRun: false, log, audit, signal, timing },
    onBegin: (progress) => {
      figures.phase = () => progress().phase
    },
    onDeleted: ({ digest, size }) => {
      figures.deletedBlobs++
      figures.deletedBytes += size
      log.info({ digest, bytes: size }, 'garbage collection deleted a blob')
    },
    onRemoved: ({ repository, digest }) => {
      figures.removedManifests++
      log.info({ repository, digest }, 'garbage collection removed an untagged manifest')
    },
    onRestored: (digest) => {
      figures.restoredBlobs++
      log.warn({ digest }, 'garbage collection put a blob back from quarantine, because it is needed again')
    },
  })
  for (const finding of findings)
    log.warn({ ...finding }, 'a manifest cannot be read: its repository keeps its blobs')
  figures.findings = findings.length
  log.info(report, 'garbage collection ended')
}

/** A collection has removed manifests, and quotas are exact again. */
async function recountUsage(registry: StoredRegistry, signal: AbortSignal | undefined): Promise<void> {
  await (await import('../lifecycle/usage.ts')).recount(registry, { signal })
}

async function counted(
  figures: CollectionFigures,
  work: () => Promise<void>,
  { signal, log }: { signal: AbortSignal; log: Log },
): Promise<void> {
  const startedAt = performance.now()
  figures.isRunning = true
  try {
    await work()
    figures.collections++
    figures.lastSuccessAt = Date.now() / 1000
    figures.lastSeconds = (performance.now() - startedAt) / 1000
  } catch (error) {
    if (signal.aborted) return
    // Normal among replicas.
    if (error instanceof CollectorBusy) return log.info({}, 'another process collects garbage')
    figures.failures++
    throw error
  } finally {
    figures.isRunning = false
  }
}

/** Runs one collection.
 *  @throws StorageError UNSUPPORTED if the storage can't be collected; CollectorBusy */
export async function collect(
  registry: StoredRegistry,
  options: CollectionOptions,
): Promise<CollectionReport> {
  const { dryRun, log, audit, signal, onBegin, onDeleted, onRemoved, onRestored } = options
  const { graceMs, pace, untagged, coexist, timing } = options
  const collector = new Collector({
    content: restorableContent(registry, { isReadOnly: dryRun }),
    ...{ graceMs, pace, untagged, coexist, dryRun, signal, ...(timing && { timing }) },
  })
  onBegin?.(() => collector.progress)
  const record = (entry: Pick<AuditEntry, 'repository' | 'digest'>, action = 'collect') => {
    if (!dryRun) audit?.record({ ...unrequested(action), ...entry })
  }
  const onStep = (step: CollectionStep) => {
    if ('restored' in step) {
      record({ digest: step.restored }, 'restore')
      onRestored?.(step.restored)
    } else if ('removed' in step) {
      for (const { repository, digest } of step.removed()) {
        record({ repository, digest })
        onRemoved?.({ repository, digest })
      }
    } else {
      for (const { digest, size } of step.deleted()) {
        record({ digest })
        onDeleted?.({ digest, size })
      }
    }
  }
  const startedAt = new Date()
  await run(collector.steps(), { log, dryRun, onStep, ...(signal && { signal }) })
  const { report } = collector
  if (!dryRun && !signal?.aborted) await noteCollection(registry, { ...report, startedAt }, log)
  return report
}

/** For the page of operations. A collection that can't be noted has been carried out all the same. */
async function noteCollection(
  { storage }: StoredRegistry,
  {
    startedAt,
    deletedBlobs,
    deletedBytes,
    removedManifests,
    findings,
  }: CollectionReport & { startedAt: Date },
  log: Log,
): Promise<void> {
  const times = { startedAt: startedAt.toISOString(), endedAt: new Date().toISOString() }
  const last = { ...times, deletedBlobs, deletedBytes, removedManifests, findings: findings.length }
  await writeLastCollection(storage, last).catch((err) => log.warn({ err }, 'the collection was not noted'))
}

/** Runs one collection in a process of its own, beside the serving registries.
 *  @throws Error if those are not configured for collection; the errors of `collect` */
export async function collectOnce(
  config: Config,
  options: Omit<CollectionOptions, 'audit'>,
): Promise<CollectionReport> {
  const { storage } = config
  requireParticipants(config, options)
  // Garbage is collected in read-only mode too.
  const maintenance = { ...storage.maintenance, readonly: { enabled: false } }
  const writable = { ...config, storage: { ...storage, maintenance } } as Config
  const { log, dryRun } = options
  await using opened = new AsyncDisposableStack()
  const audit = dryRun ? undefined : opened.use(openCommandAudit(config.auth.audit, log))
  const registry = opened.adopt(
    await openRegistry(writable, { metrics: undefined, workerGroup: undefined, log }),
    (one) => one.close(),
  )
  try {
    const report = await collect(registry, { timing: timingOf(config), ...options, audit })
    if (countsUsage(config) && !dryRun) await recountUsage(registry, options.signal)
    return report
  } catch (cause) {
    if (!(cause instanceof StorageError) || cause.code !== 'UNSUPPORTED') throw cause
    throw new Error(`this storage can't be collected: ${cause.message}`, { cause })
  }
}

/** The waits of a collection by hand. Without participants it is only possible while all registries are
 *  read-only; then there are no pushes to wait for. */
export function timingOf({ storage }: Config): CollectorTiming {
  const { gc, readonly } = storage.maintenance
  return readonly.enabled && !gc.enabled ? { ...COLLECTOR_TIMING, settleMs: 0 } : COLLECTOR_TIMING
}

const NOBODY_KNOWS = `storage.maintenance.gc.enabled is false: the registries that serve this storage would not know that blobs are being deleted, and could
acknowledge images that are then broken. Set it in the configuration of all of them, start them again, and collect then. A dry run is
always possible, and so is a collection where storage.maintenance.readonly.enabled is true for all of them.`

function requireParticipants({ storage }: Config, { dryRun }: CollectionOptions): void {
  const { gc, readonly } = storage.maintenance
  if (storage.inmemory !== undefined) throw new Error('storage.inmemory belongs to the serving process')
  if (!dryRun && !gc.enabled && !readonly.enabled) throw new Error(NOBODY_KNOWS.replaceAll('\n', ' '))
}
