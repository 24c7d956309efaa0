import { Counter, Gauge, type Registry } from 'prom-client'
import type { IndexFigures } from '../core/catalog/index-figures.ts'
import type { CollectionFigures } from '../core/collection/collection-figures.ts'
import type { ScrubFigures } from '../core/scrub/scrub-figures.ts'

/** Adds the figures of garbage collection. */
export function showCollections(registry: Registry, figures: CollectionFigures): void {
  const { gauge, counter } = metricsOf(registry, 'registry_gc')
  gauge('running', 'Whether garbage is being collected', () => (figures.isRunning ? 1 : 0))
  new Gauge({
    name: 'registry_gc_phase',
    help: 'What the running collection is doing: 1 for its phase',
    labelNames: ['phase'],
    aggregator: 'max',
    registers: [registry],
    collect() {
      this.reset()
      const phase = figures.isRunning ? figures.phase() : undefined
      if (phase !== undefined) this.set({ phase }, 1)
    },
  })
  counter(
    'removed_manifests',
    'The number of untagged manifests that were removed',
    () => figures.removedManifests,
  )
  counter(
    'restored_blobs',
    'The number of blobs that were put back from quarantine',
    () => figures.restoredBlobs,
  )
  gauge('last_success_timestamp_seconds', 'When the last collection ended well', () => figures.lastSuccessAt)
  gauge('last_duration_seconds', 'How long the last collection took', () => figures.lastSeconds)
  gauge('unreadable_manifests', 'Manifests that the last collection could not read', () => figures.findings)
  counter('collections', 'The number of collections that ended well', () => figures.collections)
  counter('failures', 'The number of collections that failed', () => figures.failures)
  counter('deleted_blobs', 'The number of blobs that were deleted', () => figures.deletedBlobs)
  counter('deleted_bytes', 'The number of bytes of blobs that were deleted', () => figures.deletedBytes)
}

/** Adds the figures of scrubs. */
export function showScrubs(registry: Registry, figures: ScrubFigures): void {
  const { gauge, counter } = metricsOf(registry, 'registry_scrub')
  gauge('running', 'Whether stored content is being checked', () => (figures.isRunning ? 1 : 0))
  gauge('last_success_timestamp_seconds', 'When the last scrub ended', () => figures.lastSuccessAt)
  gauge('findings', 'What the last scrub that ended has found', () => figures.findings)
  counter('scrubs', 'The number of scrubs that ended', () => figures.scrubs)
  counter('failures', 'The number of scrubs that failed', () => figures.failures)
  counter('blobs', 'The number of blobs that were read', () => figures.blobs)
  counter('bytes', 'The number of bytes of blobs that were read', () => figures.bytes)
  counter('damaged_blobs', 'The number of blobs that were set aside', () => figures.damagedBlobs)
  counter('healed_blobs', 'The number of blobs that were healed', () => figures.healedBlobs)
}

/** Adds the figures of the index of the catalog. */
export function showIndex(registry: Registry, figures: IndexFigures): void {
  const { gauge, counter } = metricsOf(registry, 'registry_index')
  gauge(
    'last_sweep_timestamp_seconds',
    'When the index was last compared with all of storage',
    () => figures.lastSweepAt,
  )
  counter('sweeps', 'The number of comparisons with all of storage that ended', () => figures.sweeps)
  counter('failures', 'The number of times that the index could not follow storage', () => figures.failures)
}

function metricsOf(registry: Registry, prefix: string) {
  return {
    gauge: (name: string, help: string, read: () => number) =>
      new Gauge({
        ...{ name: `${prefix}_${name}`, help, aggregator: 'max' as const, registers: [registry] },
        collect() {
          this.set(read())
        },
      }),
    counter: (name: string, help: string, read: () => number) =>
      new Counter({
        ...{ name: `${prefix}_${name}_total`, help, registers: [registry] },
        collect() {
          this.reset()
          this.inc(read())
        },
      }),
  }
}
