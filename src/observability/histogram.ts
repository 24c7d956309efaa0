/** Histograms of plain numbers. prom-client's own look up their labels at every observation; these know
 *  theirs from the start and are rendered when they are scraped. */
import type { Metric, Registry } from 'prom-client'
import type { Timer } from '../core/timer.ts'

export type Labels = Readonly<Record<string, string>>

export interface HistogramDescription {
  readonly name: string
  readonly help: string
  /** Upper bounds of the buckets, ascending. */
  readonly bounds: readonly number[]
}

/** The histogram of one set of labels. */
export class Histogram {
  readonly labels: Labels
  readonly #bounds: readonly number[]
  /** Number of values in each bucket; the last one is above all bounds. */
  readonly #counts: number[]
  #sum = 0

  constructor(labels: Labels, bounds: readonly number[]) {
    this.labels = labels
    this.#bounds = bounds
    this.#counts = Array(bounds.length + 1).fill(0)
  }

  observe(value: number): void {
    let bucket = 0
    while (bucket < this.#bounds.length && value > this.#bounds[bucket]!) bucket++
    this.#counts[bucket]!++
    this.#sum += value
  }

  /** Cumulative buckets, as in Prometheus's format; none before the first value. */
  samples(name: string): Sample[] {
    let count = 0
    const buckets = [...this.#bounds, Number.POSITIVE_INFINITY].map((bound, index) => {
      count += this.#counts[index]!
      return sample(`${name}_bucket`, { ...this.labels, le: formatBound(bound) }, count)
    })
    if (count === 0) return []
    return [
      ...buckets,
      sample(`${name}_sum`, this.labels, this.#sum),
      sample(`${name}_count`, this.labels, count),
    ]
  }
}

/** The histograms of one metric. */
export class HistogramFamily {
  readonly name: string
  readonly #description: HistogramDescription
  readonly #children: Histogram[] = []

  constructor(registry: Registry, description: HistogramDescription) {
    this.name = description.name
    this.#description = description
    // prom-client uses only the name and `get`, although its type requires one of its own classes.
    registry.registerMetric(this as unknown as Metric)
  }

  /** A new histogram; its labels must be unique. */
  child(labels: Labels): Histogram {
    const child = new Histogram(labels, this.#description.bounds)
    this.#children.push(child)
    return child
  }

  get() {
    const { name, help } = this.#description
    const values = this.#children.flatMap((child) => child.samples(name))
    return { name, help, type: 'histogram', aggregator: 'sum', values }
  }
}

/** Durations of operations: a histogram each, under one label. */
export class HistogramTimer implements Timer {
  readonly #family: HistogramFamily
  readonly #labels: Labels
  readonly #operationLabel: string
  readonly #children = new Map<string, Histogram>()

  /** Creates the histograms on demand.
   *  @param labels the same for all operations
   *  @param operationLabel the name of the label with the operation */
  constructor(
    family: HistogramFamily,
    { labels = {}, operationLabel }: { labels?: Labels; operationLabel: string },
  ) {
    this.#family = family
    this.#labels = labels
    this.#operationLabel = operationLabel
  }

  observe(operation: string, seconds: number): void {
    const child = this.#children.get(operation) ?? this.#begin(operation)
    child.observe(seconds)
  }

  #begin(operation: string): Histogram {
    const child = this.#family.child({ ...this.#labels, [this.#operationLabel]: operation })
    this.#children.set(operation, child)
    return child
  }
}

interface Sample {
  readonly metricName: string
  readonly labels: Labels
  readonly value: number
}

function sample(metricName: string, labels: Labels, value: number): Sample {
  return { metricName, labels, value }
}

/** A bound in Go's notation: Prometheus compares bounds as text, and those of different registries must be
 *  equal. */
export function formatBound(bound: number): string {
  if (bound === Number.POSITIVE_INFINITY) return '+Inf'
  return bound < 1e6 ? String(bound) : bound.toExponential().replace(/e\+(\d)$/, 'e+0$1')
}
