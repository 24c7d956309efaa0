/** The text format of Prometheus, version 0.0.4, as a scraper reads it: strictly. */

export interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export class Exposition {
  /** The type of each metric: `counter`, `gauge`, `histogram` or `summary`. */
  readonly types: ReadonlyMap<string, string>
  readonly samples: readonly Sample[]

  /** @throws Error with the line that is none, or that is there twice */
  constructor(text: string) {
    const types = new Map<string, string>()
    const samples = new Map<string, Sample>()
    if (!text.endsWith('\n')) throw new Error('the last line does not end')
    for (const line of text.split('\n').filter(Boolean)) {
      const type = /^# TYPE (\S+) (counter|gauge|histogram|summary)$/.exec(line)
      if (type !== null) types.set(type[1]!, type[2]!)
      else if (!line.startsWith('# HELP ')) add(samples, parseSample(line))
    }
    this.types = types
    this.samples = [...samples.values()]
  }

  /** The value of the one sample with this name and just these labels; undefined when there is none. */
  value(name: string, labels: Readonly<Record<string, string>> = {}): number | undefined {
    const wanted = keyOf({ name, labels })
    return this.samples.find((sample) => keyOf(sample) === wanted)?.value
  }

  /** The values that a label has in the samples of a name. */
  labelValues(name: string, label: string): Set<string> {
    const values = this.samples.filter((sample) => sample.name === name).map(({ labels }) => labels[label])
    return new Set(values.filter((value) => value !== undefined))
  }
}

const SAMPLE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/
const LABEL = /([a-zA-Z_]\w*)="((?:[^"\\]|\\.)*)"(?:,|$)/y

function parseSample(line: string): Sample {
  const match = SAMPLE.exec(line)
  const value = Number(match?.[3]?.replace('Inf', 'Infinity').replace(/^Nan$/i, 'NaN'))
  if (match === null || (Number.isNaN(value) && !/^nan$/i.test(match[3]!)))
    throw new Error(`no sample: ${line}`)
  return { name: match[1]!, labels: parseLabels(match[2] ?? ''), value }
}

function parseLabels(text: string): Record<string, string> {
  const labels: Record<string, string> = {}
  LABEL.lastIndex = 0
  while (LABEL.lastIndex < text.length) {
    const match = LABEL.exec(text)
    if (match === null) throw new Error(`no labels: ${text}`)
    labels[match[1]!] = match[2]!
  }
  return labels
}

function add(samples: Map<string, Sample>, sample: Sample): void {
  const key = keyOf(sample)
  if (samples.has(key)) throw new Error(`twice: ${key}`)
  samples.set(key, sample)
}

function keyOf({ name, labels }: Pick<Sample, 'name' | 'labels'>): string {
  return JSON.stringify([name, Object.entries(labels).sort()])
}
