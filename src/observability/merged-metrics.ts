import { AggregatorRegistry } from 'prom-client'
import { type Metrics, type MetricsSnapshot, renderMerged } from './metrics.ts'

/** The metrics of several processes by number; undefined for those that do not answer. */
export type SnapshotSource = () => Promise<ReadonlyMap<number, MetricsSnapshot | undefined>>

export interface MergedMetricsOptions {
  /** The metrics of this process. */
  own: Metrics
  /** The metrics of the others. */
  snapshots: SnapshotSource
}

/** Merges the metrics of several processes. Counters of a process that has ended keep their last known
 *  values, because a falling sum would look like a restart of all. */
export class MergedMetrics {
  readonly #options: MergedMetricsOptions
  readonly #last = new Map<number, MetricsSnapshot>()
  #gone: MetricsSnapshot = []
  #rendering: Promise<unknown> = Promise.resolve()

  constructor(options: MergedMetricsOptions) {
    this.#options = options
  }

  /** The text format of Prometheus, version 0.0.4; renders are sequential. */
  render(): Promise<string> {
    const rendered = this.#rendering.then(() => this.#render())
    this.#rendering = rendered.catch(() => {})
    return rendered
  }

  async #render(): Promise<string> {
    const { own, snapshots } = this.#options
    const current = await snapshots()
    for (const id of this.#last.keys()) if (!current.has(id)) await this.#retire(id)
    for (const [id, snapshot] of current) if (snapshot !== undefined) this.#last.set(id, snapshot)
    return renderMerged([this.#gone, await own.snapshot(), ...this.#last.values()])
  }

  async #retire(id: number): Promise<void> {
    const counted = (this.#last.get(id) ?? []).filter(isCounted)
    this.#last.delete(id)
    this.#gone = await AggregatorRegistry.aggregate([[...this.#gone], counted]).getMetricsAsJSON()
  }
}

/** Gauges, such as memory, end with their process. */
function isCounted(metric: { type?: unknown }): boolean {
  return metric.type === 'counter' || metric.type === 'histogram'
}
