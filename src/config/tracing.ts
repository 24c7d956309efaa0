/** The tracing that the environment asks for, by the variables of OpenTelemetry. Its exporter reads those of OTLP by itself, and its
 *  resource `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES`.
 *  https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/ */

export interface TracingSettings {
  /** False if traces are neither continued nor passed on. */
  readonly propagates: boolean
  readonly sampler: SamplerSettings
  readonly batches: BatchSettings
  readonly limits: AttributeLimits
}

export interface SamplerSettings {
  /** The part of the traces that is recorded, from 0 to 1. */
  readonly ratio: number
  /** True if a trace that a client has begun is recorded if the client does so. */
  readonly isParentBased: boolean
}

export interface BatchSettings {
  readonly scheduledDelayMillis: number
  readonly exportTimeoutMillis: number
  /** In spans. */
  readonly maxQueueSize: number
  readonly maxExportBatchSize: number
}

/** Of a span. */
export interface AttributeLimits {
  readonly attributeCountLimit: number
  /** In characters. */
  readonly attributeValueLengthLimit: number
}

export interface RequestedTracing {
  /** Undefined if tracing is off. */
  readonly settings: TracingSettings | undefined
  /** Variables that have no effect, with the reasons. */
  readonly warnings: readonly { readonly variable: string; readonly message: string }[]
}

/** On if an endpoint or the exporter `otlp` is set, unless `OTEL_SDK_DISABLED` is true. */
export function requestedTracing(env: Readonly<Record<string, string | undefined>>): RequestedTracing {
  const variables = new Variables(env)
  if (env.OTEL_SDK_DISABLED?.trim().toLowerCase() === 'true' || !variables.haveAny(ASKING)) return NONE
  const exporters = variables.list('OTEL_TRACES_EXPORTER', ['otlp', 'none']) ?? ['otlp']
  const propagators = variables.list('OTEL_PROPAGATORS', ['tracecontext', 'baggage', 'none'])
  const { warnings } = variables
  if (!exporters.includes('otlp')) return { settings: undefined, warnings }
  for (const variable of ['OTEL_EXPORTER_OTLP_TRACES_PROTOCOL', 'OTEL_EXPORTER_OTLP_PROTOCOL'])
    variables.list(variable, ['http/protobuf'])
  const settings = {
    propagates: propagators?.includes('tracecontext') ?? true,
    sampler: samplerOf(variables),
    batches: {
      scheduledDelayMillis: variables.number('OTEL_BSP_SCHEDULE_DELAY') ?? 5_000,
      exportTimeoutMillis: variables.number('OTEL_BSP_EXPORT_TIMEOUT') ?? 30_000,
      maxQueueSize: variables.number('OTEL_BSP_MAX_QUEUE_SIZE', { least: 1 }) ?? 2_048,
      maxExportBatchSize: variables.number('OTEL_BSP_MAX_EXPORT_BATCH_SIZE', { least: 1 }) ?? 512,
    },
    limits: {
      attributeCountLimit: limitOf(variables, 'ATTRIBUTE_COUNT_LIMIT') ?? 128,
      attributeValueLengthLimit:
        limitOf(variables, 'ATTRIBUTE_VALUE_LENGTH_LIMIT') ?? Number.POSITIVE_INFINITY,
    },
  }
  return { settings, warnings }
}

const NONE: RequestedTracing = { settings: undefined, warnings: [] }

const ASKING = ['OTEL_TRACES_EXPORTER', 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT', 'OTEL_EXPORTER_OTLP_ENDPOINT']

const SAMPLERS: Readonly<Record<string, { readonly ratio?: number }>> = {
  always_on: { ratio: 1 },
  always_off: { ratio: 0 },
  traceidratio: {},
}

const PARENT_BASED = 'parentbased_'

function samplerOf(variables: Variables): SamplerSettings {
  const names = Object.keys(SAMPLERS).flatMap((name) => [name, PARENT_BASED + name])
  const [name = 'parentbased_always_on'] = variables.list('OTEL_TRACES_SAMPLER', names) ?? []
  const isParentBased = name.startsWith(PARENT_BASED)
  const sampler = SAMPLERS[isParentBased ? name.slice(PARENT_BASED.length) : name]
  const ratio = sampler?.ratio ?? variables.number('OTEL_TRACES_SAMPLER_ARG', { most: 1 }) ?? 1
  return { ratio, isParentBased }
}

/** The limit of spans prevails over the one of everything. */
function limitOf(variables: Variables, name: string): number | undefined {
  return variables.number(`OTEL_SPAN_${name}`) ?? variables.number(`OTEL_${name}`)
}

/** Variables with their problems. One that is empty counts as absent, as in the specification. */
class Variables {
  readonly warnings: { variable: string; message: string }[] = []
  readonly #env: Readonly<Record<string, string | undefined>>

  constructor(env: Readonly<Record<string, string | undefined>>) {
    this.#env = env
  }

  haveAny(names: readonly string[]): boolean {
    return names.some((name) => this.#text(name) !== '')
  }

  /** The values that are known. Undefined if there is none. */
  list(variable: string, known: readonly string[]): string[] | undefined {
    const given = this.#text(variable)
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== '')
    const others = given.filter((value) => !known.includes(value))
    if (others.length > 0)
      this.#warn(variable, `${others.join()} is not supported; possible: ${known.join(', ')}`)
    return given.length === 0 ? undefined : given.filter((value) => known.includes(value))
  }

  number(
    variable: string,
    { least = 0, most = Number.MAX_SAFE_INTEGER }: { least?: number; most?: number } = {},
  ): number | undefined {
    const text = this.#text(variable)
    if (text === '') return undefined
    const number = Number(text)
    if (number >= least && number <= most) return number
    this.#warn(variable, `${text} is not a number of at least ${least}${most === 1 ? ' and at most 1' : ''}`)
    return undefined
  }

  #text(variable: string): string {
    return this.#env[variable]?.trim() ?? ''
  }

  #warn(variable: string, message: string): void {
    this.warnings.push({ variable, message })
  }
}
