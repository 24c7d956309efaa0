import { AggregatorRegistry } from 'prom-client'
import { type Metrics, type MetricsSnapshot, renderMerged } from './metrics.ts'

/** What each of several processes has measured by now, by its number; undefined of one that does not answer. */
export type SnapshotSource = () => Promise<ReadonlyMap<number, MetricsSnapshot | undefined>>

export interface MergedMetricsOptions {
  /** Of this process. */
  own: Metrics
  /** Of the others. */
  snapshots: SnapshotSource
}

/** Several processes shown as one. What a process has counted stays counted when it is gone, up to what was last seen of
 *  it: a sum that falls would look as if all had begun anew. */
export class MergedMetrics {
  readonly #options: MergedMetricsOptions
  readonly #last = new Map<number, MetricsSnapshot>()
  #gone: MetricsSnapshot = []
  #rendering: Promise<unknown> = Promise.resolve()

  constructor(options: MergedMetricsOptions) {
    this.#options = options
  }

  /** In the text format of Prometheus, version 0.0.4; one time after the other. */
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

/** What is at this moment, such as memory, ends with the process. */
function isCounted(metric: { type?: unknown }): boolean {
  return metric.type === 'counter' || metric.type === 'histogram'
}
