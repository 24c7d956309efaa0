/** Distributions of values in plain numbers: an observation finds its bucket and adds. prom-client's own histogram looks
 *  its labels up at every observation; this one knows them from the start and is asked when it is scraped. */
import type { Metric, Registry } from 'prom-client'
import type { Timer } from '../core/timer.ts'

export type Labels = Readonly<Record<string, string>>

export interface HistogramDescription {
  readonly name: string
  readonly help: string
  /** The upper bounds of its buckets, ascending. */
  readonly bounds: readonly number[]
}

/** How the values of one set of labels are distributed. */
export class Histogram {
  readonly labels: Labels
  readonly #bounds: readonly number[]
  /** How many values fell into each bucket; in the last one, above all bounds. */
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

  /** Each bucket holds those below it too, as Prometheus wants it; nothing before the first value. */
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

/** The histograms of one name: what prom-client calls a metric. */
export class HistogramFamily {
  readonly name: string
  readonly #description: HistogramDescription
  readonly #children: Histogram[] = []

  constructor(registry: Registry, description: HistogramDescription) {
    this.name = description.name
    this.#description = description
    // A registry asks a metric for its name and calls `get`, although its type wants one of the library's own classes.
    registry.registerMetric(this as unknown as Metric)
  }

  /** A new one; nobody else may have the same labels. */
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

/** How long operations take: a histogram each, under one label. */
export class HistogramTimer implements Timer {
  readonly #family: HistogramFamily
  readonly #labels: Labels
  readonly #operationLabel: string
  readonly #children = new Map<string, Histogram>()

  /** @param labels the same for all operations
   *  @param operationLabel the name of the label that says which one it was */
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

/** As Go writes it: to Prometheus the bound is text, and the same bound of two registries must be the same text. */
export function formatBound(bound: number): string {
  if (bound === Number.POSITIVE_INFINITY) return '+Inf'
  return bound < 1e6 ? String(bound) : bound.toExponential().replace(/e\+(\d)$/, 'e+0$1')
}
