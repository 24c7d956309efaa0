/** Tracing by OpenTelemetry. Loaded only if it is on. */
import { hostname } from 'node:os'
import { DiagLogLevel, diag } from '@opentelemetry/api'
import { CompositePropagator, W3CTraceContextPropagator } from '@opentelemetry/core'
import { OTLPTraceExporter } from '@opentelemetry/exporter-trace-otlp-proto'
import {
  detectResources,
  envDetector,
  resourceFromAttributes,
  serviceInstanceIdDetector,
} from '@opentelemetry/resources'
import {
  BatchSpanProcessor,
  ParentBasedSampler,
  type Sampler,
  TraceIdRatioBasedSampler,
  TracerProvider,
} from '@opentelemetry/sdk-trace'
import type { DescriptorCache } from '../core/descriptor-cache.ts'
import type { Log } from '../core/log.ts'
import type { StorageDriver } from '../core/storage-driver.ts'
import type { RequestTracer, Tracer } from '../core/tracing/tracer.ts'
import type { UpstreamRegistry } from '../core/upstream/upstream-registry.ts'
import { LineBudget } from '../lib/lines/line-budget.ts'
import { Spans } from './spans.ts'
import { TracedCache } from './traced-cache.ts'
import { TracedDriver } from './traced-driver.ts'
import { TracedLog } from './traced-log.ts'
import { TracedUpstream } from './traced-upstream.ts'

export interface Tracing {
  readonly requests: RequestTracer
  readonly tracer: Tracer
  /** A log whose lines have the ids of the current span. */
  log(log: Log): Log
  driver(driver: StorageDriver): StorageDriver
  cache(cache: DescriptorCache): DescriptorCache
  upstream(upstream: UpstreamRegistry): UpstreamRegistry
  /** Resolves once the last spans are exported, or a short time has passed. */
  close(): Promise<void>
}

export interface TracingOptions {
  /** False if traces are neither continued nor passed on. */
  readonly propagates: boolean
  /** The part of the traces that is recorded, from 0 to 1; parent-based: unless the client has decided. */
  readonly sampler: { readonly ratio: number; readonly isParentBased: boolean }
  readonly batches: Omit<ConstructorParameters<typeof BatchSpanProcessor>[0], 'exporter'>
  /** Of a span: the number of its attributes, and the length of their values in characters. */
  readonly limits: { readonly attributeCountLimit: number; readonly attributeValueLengthLimit: number }
  /** Of the registry. */
  readonly version: string
  readonly log: Log
}

/** The exporter and the resource are as the environment says. */
export function openTracing(options: TracingOptions): Tracing {
  const { propagates, sampler, batches, limits, version, log } = options
  // OpenTelemetry's packages report problems in one place of the process.
  diag.setLogger(problemLog(log), { logLevel: DiagLogLevel.WARN, suppressOverrideMessage: true })
  const provider = new TracerProvider({
    resource: resourceOf(version),
    sampler: samplerOf(sampler),
    spanLimits: limits,
    spanProcessors: [new BatchSpanProcessor({ ...batches, exporter: new OTLPTraceExporter() })],
  })
  const propagators = propagates ? [new W3CTraceContextPropagator()] : []
  const spans = new Spans(provider.getTracer('entrepot', version), new CompositePropagator({ propagators }))
  return {
    requests: spans,
    tracer: spans,
    log: (lines) => new TracedLog(lines, spans),
    driver: (driver) => new TracedDriver(driver, spans),
    cache: (cache) => new TracedCache(cache, spans),
    upstream: (upstream) => new TracedUpstream(upstream, spans),
    async close() {
      await within(LAST_SPANS_MS, provider.shutdown())
      diag.disable()
    },
  }
}

/** Time for the last spans at the end of the process. */
const LAST_SPANS_MS = 5_000

function samplerOf({ ratio, isParentBased }: TracingOptions['sampler']): Sampler {
  const root = new TraceIdRatioBasedSampler(ratio)
  return isParentBased ? new ParentBasedSampler({ root }) : root
}

/** Variables prevail over what is known here. */
function resourceOf(version: string) {
  const own = resourceFromAttributes({
    'service.name': 'entrepot',
    'service.version': version,
    'host.name': hostname(),
    'process.pid': process.pid,
  })
  return own.merge(detectResources({ detectors: [serviceInstanceIdDetector, envDetector] }))
}

/** A collector that can't be reached fails each batch: one line a minute is enough. */
function problemLog(log: Log) {
  const budget = new LineBudget({ burst: 3, perSecond: 1 / 60 })
  const warn = (problem: string) => {
    const omitted = budget.take()
    if (omitted === undefined) return
    log.warn({ problem: problem.slice(0, 500), omittedLines: omitted || undefined }, 'tracing has a problem')
  }
  const ignore = () => {}
  return { error: warn, warn, info: ignore, debug: ignore, verbose: ignore }
}

/** Waits for work, which may fail; not for longer than the time. */
async function within(milliseconds: number, work: Promise<void>): Promise<void> {
  const { promise: late, resolve } = Promise.withResolvers<void>()
  const timer = setTimeout(resolve, milliseconds)
  await Promise.race([work.catch(() => undefined), late])
  clearTimeout(timer)
}
