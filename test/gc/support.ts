/** A collector over a registry of a test, which waits for nothing. */
import type { CollectionReport } from '../../src/maintenance/gc/collection-report.ts'
import { Collector } from '../../src/maintenance/gc/collector.ts'
import type { CollectorOptions } from '../../src/maintenance/gc/collector-options.ts'
import { run } from '../../src/maintenance/runner.ts'
import type { StoredRegistry } from '../../src/registry/registry.ts'
import { quiet } from '../support/http-registry.ts'

/** Pushes of blobs then read the state each time, so a collector need not wait for them. */
export const GUARD = { trustedMs: 0, patienceMs: 10_000 }

export const TIMING = { leaseMs: 10_000, beatMs: 1_000, settleMs: 0 }

export function collectorOf(registry: StoredRegistry, options: Partial<CollectorOptions> = {}): Collector {
  const { collectable: content } = registry
  return new Collector({ content, graceMs: 0, pace: 0, dryRun: false, timing: TIMING, ...options })
}

/** One whole collection. */
export async function collect(
  registry: StoredRegistry,
  options: Partial<CollectorOptions> = {},
): Promise<CollectionReport> {
  const collector = collectorOf(registry, options)
  const { dryRun = false } = options
  await run(collector.steps(), { log: quiet, dryRun })
  return collector.report
}
