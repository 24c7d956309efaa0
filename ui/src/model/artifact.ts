/** What an artifact's configuration says, for people. */
import type { Kind } from './kind.ts'
import { asList, asObject, asText } from './manifest.ts'

export interface ArtifactSummary {
  readonly title: string
  readonly description: string
  readonly facts: readonly (readonly [string, string])[]
  /** The rest of the configuration. */
  readonly entries: readonly (readonly [string, string])[]
}

const NOTHING: ArtifactSummary = { title: '', description: '', facts: [], entries: [] }

/** @param config the configuration as JSON; undefined if there is none */
export function summarize(kind: Kind, config: unknown): ArtifactSummary {
  if (config === undefined) return NOTHING
  if (kind === 'chart') return summarizeChart(config)
  if (kind === 'model') return summarizeModel(config)
  return { ...NOTHING, entries: flatten(config) }
}

/** https://helm.sh/docs/topics/charts/#the-chartyaml-file */
function summarizeChart(value: unknown): ArtifactSummary {
  const chart = asObject(value)
  const names = (list: unknown, describe: (one: Readonly<Record<string, unknown>>) => string) =>
    asList(list)
      .map((one) => describe(asObject(one)))
      .filter(Boolean)
      .join(', ')
  return {
    title: [asText(chart.name), asText(chart.version)].filter(Boolean).join(' '),
    description: asText(chart.description),
    facts: [
      ['Application', asText(chart.appVersion)],
      ['Kind', asText(chart.type)],
      ['Kubernetes', asText(chart.kubeVersion)],
      [
        'Depends on',
        names(chart.dependencies, ({ name, version }) => `${asText(name)} ${asText(version)}`.trim()),
      ],
      ['Maintainers', names(chart.maintainers, ({ name }) => asText(name))],
      ['Keywords', asList(chart.keywords).map(asText).join(', ')],
      ['Home', asText(chart.home)],
      ['Deprecated', chart.deprecated === true ? 'yes' : ''],
    ],
    entries: flatten({ annotations: chart.annotations, sources: chart.sources }),
  }
}

/** The configuration of CNCF's ModelPack, and Docker's, which is like it.
 *  https://github.com/modelpack/model-spec/blob/main/docs/config.md */
function summarizeModel(value: unknown): ArtifactSummary {
  const json = asObject(value)
  const descriptor = asObject(json.descriptor)
  const config = asObject(json.config)
  const licenses = asList(descriptor.licenses).map(asText).join(', ')
  return {
    title: [asText(descriptor.name), asText(descriptor.version)].filter(Boolean).join(' '),
    description: asText(descriptor.title),
    facts: [
      ['Family', asText(descriptor.family)],
      ['Architecture', asText(config.architecture)],
      ['Parameters', asText(config.paramSize) || asText(config.parameters)],
      ['Format', asText(config.format)],
      ['Precision', asText(config.precision)],
      ['Quantization', asText(config.quantization)],
      ['Licences', licenses],
      ['Vendor', asText(descriptor.vendor)],
    ],
    entries: flatten(json),
  }
}

const MAX_ENTRIES = 200

/** Every text, number and flag with the path to it, in order. */
function flatten(value: unknown): [string, string][] {
  const found: [string, string][] = []
  const visit = (one: unknown, path: string) => {
    if (found.length >= MAX_ENTRIES) return
    if (typeof one === 'string' || typeof one === 'number' || typeof one === 'boolean')
      found.push([path, String(one)])
    else if (Array.isArray(one)) for (const [index, each] of one.entries()) visit(each, `${path}[${index}]`)
    else
      for (const [key, each] of Object.entries(asObject(one)))
        visit(each, path === '' ? key : `${path}.${key}`)
  }
  visit(value, '')
  return found
}
