import { expect, test } from 'vitest'
import { requestedTracing } from './tracing.ts'

const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318' }

test.each([
  [{}, false],
  [{ OTEL_SERVICE_NAME: 'a', OTEL_TRACES_SAMPLER: 'always_on' }, false],
  [endpoint, true],
  [{ OTEL_EXPORTER_OTLP_ENDPOINT: ' ' }, false],
  [{ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'http://127.0.0.1:4318/v1/traces' }, true],
  [{ OTEL_EXPORTER_OTLP_METRICS_ENDPOINT: 'http://127.0.0.1:4318/v1/metrics' }, false],
  [{ OTEL_TRACES_EXPORTER: 'otlp' }, true],
  [{ ...endpoint, OTEL_TRACES_EXPORTER: 'none' }, false],
  [{ ...endpoint, OTEL_SDK_DISABLED: 'TRUE' }, false],
  [{ ...endpoint, OTEL_SDK_DISABLED: 'false' }, true],
])('%j: on is %j', (env, isOn) => {
  const { settings, warnings } = requestedTracing(env)
  expect([settings !== undefined, warnings]).toEqual([isOn, []])
})

const settingsOf = (env: Record<string, string>) => requestedTracing({ ...endpoint, ...env }).settings

test.each([
  [{}, { ratio: 1, isParentBased: true }],
  [{ OTEL_TRACES_SAMPLER: 'always_on' }, { ratio: 1, isParentBased: false }],
  [{ OTEL_TRACES_SAMPLER: 'parentbased_always_off' }, { ratio: 0, isParentBased: true }],
  [
    { OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.25' },
    { ratio: 0.25, isParentBased: false },
  ],
  [
    { OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '0' },
    { ratio: 0, isParentBased: true },
  ],
  [{ OTEL_TRACES_SAMPLER_ARG: '0.25' }, { ratio: 1, isParentBased: true }],
])('%j: the sampler is %j', (env, sampler) => {
  expect(settingsOf(env)?.sampler).toEqual(sampler)
})

test('propagators, batches and limits', () => {
  expect(settingsOf({})).toMatchObject({
    propagates: true,
    batches: {
      ...{ scheduledDelayMillis: 5_000, exportTimeoutMillis: 30_000 },
      ...{ maxQueueSize: 2_048, maxExportBatchSize: 512 },
    },
    limits: { attributeCountLimit: 128, attributeValueLengthLimit: Number.POSITIVE_INFINITY },
  })
  expect(settingsOf({ OTEL_PROPAGATORS: 'baggage, tracecontext' })?.propagates).toBe(true)
  expect(settingsOf({ OTEL_PROPAGATORS: 'none' })?.propagates).toBe(false)
  expect(settingsOf({ OTEL_BSP_SCHEDULE_DELAY: '50' })?.batches.scheduledDelayMillis).toBe(50)
  const limits = {
    ...{ OTEL_ATTRIBUTE_COUNT_LIMIT: '10', OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT: '20' },
    OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT: '30',
  }
  expect(settingsOf(limits)?.limits).toEqual({ attributeCountLimit: 20, attributeValueLengthLimit: 30 })
})

test('a variable that asks for what there is not has no effect, and a warning', () => {
  const warned = (env: Record<string, string>) => {
    const { settings, warnings } = requestedTracing(env)
    return [settings !== undefined, ...warnings.map(({ variable }) => variable)]
  }
  expect(warned({ OTEL_TRACES_EXPORTER: 'zipkin' })).toEqual([false, 'OTEL_TRACES_EXPORTER'])
  expect(warned({ OTEL_TRACES_EXPORTER: 'console,otlp' })).toEqual([true, 'OTEL_TRACES_EXPORTER'])
  for (const [variable, value] of [
    ['OTEL_PROPAGATORS', 'b3,tracecontext'],
    ['OTEL_EXPORTER_OTLP_PROTOCOL', 'grpc'],
    ['OTEL_TRACES_SAMPLER', 'jaeger_remote'],
    ['OTEL_BSP_MAX_QUEUE_SIZE', '0'],
    ['OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT', 'many'],
  ] as const)
    expect(warned({ ...endpoint, [variable]: value })).toEqual([true, variable])
  const ratio = { OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '2' }
  expect(warned({ ...endpoint, ...ratio })).toEqual([true, 'OTEL_TRACES_SAMPLER_ARG'])
})
