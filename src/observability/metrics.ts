import { AggregatorRegistry, Counter, collectDefaultMetrics, Gauge, Registry } from 'prom-client'
import type { IndexFigures } from '../core/catalog/index-figures.ts'
import type { CollectionFigures } from '../core/collection/collection-figures.ts'
import type { CacheCounts } from '../core/descriptor-cache.ts'
import type { Health } from '../core/health.ts'
import type { MirrorFigures } from '../core/mirror-figures.ts'
import type { RequestObserver } from '../core/request-observer.ts'
import type { ScrubFigures } from '../core/scrub/scrub-figures.ts'
import type { Timer } from '../core/timer.ts'
import { HistogramFamily, HistogramTimer } from './histogram.ts'
import { showCollections, showIndex, showScrubs } from './maintenance-metrics.ts'
import { showMirrors } from './mirror-metrics.ts'
import { type NotifiedEndpoint, showNotifications } from './notification-metrics.ts'
import { RequestMetrics } from './request-metrics.ts'

/** One process's metrics, as JSON that another one can merge. */
export type MetricsSnapshot = readonly object[]

interface DroppedLines {
  readonly droppedLines: number
}

/** Gauges named like counters, which promtool rejects. They are sums of other metrics. */
const MISNAMED = [
  'nodejs_active_handles_total',
  'nodejs_active_requests_total',
  'nodejs_active_resources_total',
]

/** All metrics of a process, under Distribution's names, with Node's own metrics. Labels have few values,
 *  never names of clients or repositories, nor secrets. */
export class Metrics {
  readonly requests: RequestObserver
  readonly #registry = new Registry()

  constructor() {
    collectDefaultMetrics({ register: this.#registry })
    for (const name of MISNAMED) this.#registry.removeSingleMetric(name)
    this.requests = new RequestMetrics(this.#registry)
  }

  /** Adds the build's version. Called once. */
  showBuild(version: string): void {
    new Gauge({
      name: 'registry_build_info',
      help: 'Always 1; the version of Entrepot and of Node are its labels',
      labelNames: ['version', 'nodeversion'],
      aggregator: 'first',
      registers: [this.#registry],
    }).set({ version, nodeversion: process.version }, 1)
  }

  /** Adds the number of failed health checks. Called once. */
  showHealth({ failures }: Health): void {
    new Gauge({
      name: 'registry_health_failing_checks',
      help: 'The number of health checks that fail',
      aggregator: 'max',
      registers: [this.#registry],
      collect() {
        this.set(failures.size)
      },
    })
  }

  /** The timer of a storage driver's actions. Called once.
   *  @param driver its name in the configuration */
  storageTimer(driver: string): Timer {
    const family = new HistogramFamily(this.#registry, {
      name: 'registry_storage_action_seconds',
      help: 'The number of seconds that the storage action takes',
      bounds: SECONDS,
    })
    return new HistogramTimer(family, { labels: { driver }, operationLabel: 'action' })
  }

  /** The timer of Redis commands. Called once, if a cache is in Redis. */
  redisTimer(): Timer {
    const family = new HistogramFamily(this.#registry, {
      name: 'registry_storage_cache_redis_seconds',
      help: 'Number of seconds taken by redis',
      bounds: REDIS_SECONDS,
    })
    return new HistogramTimer(family, { operationLabel: 'operation' })
  }

  /** Adds a cache's counters. Called once. */
  showCache(counts: CacheCounts): void {
    const counter = (name: string, help: string, read: () => number) =>
      new Counter({
        ...{ name: `registry_storage_cache_${name}_total`, help, registers: [this.#registry] },
        collect() {
          this.reset()
          this.inc(read())
        },
      })
    counter('requests', 'The number of cache request received', () => counts.requests)
    counter('hits', 'The number of cache requests that were answered by the cache', () => counts.hits)
    counter('errors', 'The number of cache request errors', () => counts.errors)
    showEvictions(this.#registry, counts)
    new Gauge({
      name: 'registry_storage_cache_entries',
      help: 'The number of entries in the memory of the process',
      registers: [this.#registry],
      collect() {
        this.set(counts.entries)
      },
    })
  }

  /** Adds the number of lost lines of each log. Called once. */
  showDroppedLines(logs: Readonly<Record<'main' | 'audit', DroppedLines | undefined>>): void {
    new Counter({
      name: 'registry_log_dropped_lines_total',
      help: 'The number of lines of a log that were dropped because they could not be written',
      labelNames: ['log'],
      registers: [this.#registry],
      collect() {
        this.reset()
        for (const [log, lines] of Object.entries(logs)) if (lines) this.inc({ log }, lines.droppedLines)
      },
    })
  }

  /** Adds the figures of garbage collection. Called once, if this process collects. */
  showCollections(figures: CollectionFigures): void {
    showCollections(this.#registry, figures)
  }

  /** Adds the figures of scrubs. Called once, if this process scrubs. */
  showScrubs(figures: ScrubFigures): void {
    showScrubs(this.#registry, figures)
  }

  /** Adds the figures of the index of the catalog. Called once, if this process compares it with storage. */
  showIndex(figures: IndexFigures): void {
    showIndex(this.#registry, figures)
  }

  /** Shows what is mirrored, by upstream. Called once, and only where something is. */
  showMirrors(mirrors: readonly MirrorFigures[]): void {
    showMirrors(this.#registry, mirrors)
  }

  /** Shows what is delivered to the endpoints of notifications. Called once, and only where there are any. */
  showNotifications(endpoints: readonly NotifiedEndpoint[]): void {
    showNotifications(this.#registry, endpoints)
  }

  /** The text format of Prometheus, version 0.0.4. */
  render(): Promise<string> {
    return this.#registry.metrics()
  }

  /** Omits numbers that JSON can't represent. */
  async snapshot(): Promise<MetricsSnapshot> {
    const metrics = await this.#registry.getMetricsAsJSON()
    return metrics.map((metric) => ({
      ...metric,
      values: metric.values.filter(({ value }) => Number.isFinite(value)),
    }))
  }
}

/** Merges several processes in the text format of Prometheus: most metrics are summed. */
export function renderMerged(snapshots: readonly MetricsSnapshot[]): Promise<string> {
  return AggregatorRegistry.aggregate([...snapshots]).metrics()
}

function showEvictions(registry: Registry, counts: CacheCounts): void {
  new Counter({
    name: 'registry_storage_cache_evictions_total',
    help: 'The number of entries removed because their content was deleted, or displaced by others or by their age',
    labelNames: ['reason'],
    registers: [registry],
    collect() {
      this.reset()
      this.inc({ reason: 'deleted' }, counts.evicted)
      this.inc({ reason: 'displaced' }, counts.displaced)
    },
  })
}

/** The buckets of Go's client, which Distribution uses for all timers. */
const SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

/** With smaller buckets, because Redis is faster. */
const REDIS_SECONDS = [0.0001, 0.00025, 0.0005, 0.001, 0.0025, ...SECONDS]
