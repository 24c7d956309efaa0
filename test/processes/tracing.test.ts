/** Spans as a collector of OpenTelemetry receives them. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { describeWith } from '../support/describe-with.ts'
import { startEntrepot } from '../support/entrepot-process.ts'
import { EventReceiver } from '../support/event-receiver.ts'
import { freePort } from '../support/free-port.ts'
import { gzippedLayer, imageOf } from '../support/oci-image.ts'
import { type CollectedSpan, OtelCollector } from '../support/otel-collector.ts'
import { RegistryClient } from '../support/registry-client.ts'
import { type TemporaryFolder, temporaryFolder } from '../support/temporary-folder.ts'

const image = imageOf([gzippedLayer([{ path: 'file', content: 'content' }])])
const layer = image.layers[0]!.descriptor.digest

const TRACE = '0af7651916cd43dd8448eb211c80319c'
const PARENT = 'b7ad6b7169203331'
const ROUTE = 'GET /v2/{name}/blobs/{digest}'

let folder: TemporaryFolder
beforeEach(async () => {
  folder = await temporaryFolder()
})
afterEach(() => folder.remove())

/** @param name of the service; its folders have it too */
function start(name: string, environment: Record<string, string>, config: object = {}) {
  const configFolder = join(folder.path, name)
  return startEntrepot({
    dataFolder: join(configFolder, 'data'),
    configFolder,
    config: { log: { formatter: 'json' }, http: { addr: '127.0.0.1:0' }, ...config },
    environment: { OTEL_SERVICE_NAME: name, OTEL_BSP_SCHEDULE_DELAY: '50', ...environment },
  })
}

function linesOf(output: string): Record<string, unknown>[] {
  return output
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .map((line) => JSON.parse(line))
}

describeWith(['otel-collector'], 'tracing', () => {
  test('a pull through a mirror is one trace, from the client to the upstream and its storage', async () => {
    await using collector = await OtelCollector.start(folder.path)
    await using receiver = await EventReceiver.start()
    const asked = {
      OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
      OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test',
    }
    await using upstream = await start('upstream', asked)
    await new RegistryClient(upstream.url).pushImage('hello', { tag: 'v1', image })
    await using mirror = await start('mirror', asked, {
      http: { addr: '127.0.0.1:0', workers: 1 },
      mirrors: [{ prefix: 'hub', upstream: upstream.url }],
      notifications: { endpoints: [{ name: 'hook', url: receiver.url }] },
    })
    const headers = { traceparent: `00-${TRACE}-${PARENT}-01`, 'user-agent': 'test' }
    const answer = await fetch(`${mirror.url}/v2/hub/hello/blobs/${layer}?secret=1`, { headers })
    expect([answer.status, (await answer.bytes()).length]).toEqual([200, image.layers[0]!.bytes.length])
    await new RegistryClient(mirror.url).pushImage('own', { tag: 'v1', image })

    const trace = async () => (await collector.spans()).filter(({ traceId }) => traceId === TRACE)
    const hasArrived = async (resource: string, name: string) =>
      (await trace()).some((span) => span.name === name && span.resource['service.name'] === resource)
    await expect.poll(() => hasArrived('mirror', ROUTE)).toBe(true)
    await expect.poll(() => hasArrived('mirror', 'upstream GET blob')).toBe(true)
    await expect.poll(() => hasArrived('upstream', ROUTE)).toBe(true)
    const spans = await trace()
    const named = (service: string, name: string) =>
      spans.find((span) => span.name === name && span.resource['service.name'] === service)
    const outer = named('mirror', ROUTE)
    const inner = named('upstream', ROUTE)
    expect(outer).toMatchObject({
      parentSpanId: PARENT,
      isFailed: false,
      resource: { 'service.name': 'mirror', 'deployment.environment.name': 'test' },
      attributes: {
        'http.request.method': 'GET',
        'http.response.status_code': '200',
        'http.route': '/v2/{name}/blobs/{digest}',
        'url.path': `/v2/hub/hello/blobs/${layer}`,
        'url.scheme': 'http',
        'client.address': '127.0.0.1',
        'server.address': '127.0.0.1',
        'server.port': new URL(mirror.url).port,
        'user_agent.original': 'test',
        'network.protocol.version': '1.1',
        'entrepot.repository': 'hub/hello',
      },
    })
    expect(JSON.stringify(spans)).not.toContain('secret')
    const asking = spans.find(({ spanId }) => spanId === inner?.parentSpanId)
    expect(asking).toMatchObject({ name: 'upstream GET blob', resource: { 'service.name': 'mirror' } })
    expect(pathOf(asking!, spans)).toContain(outer!.spanId)
    expect(named('mirror', 'cache find')?.attributes).toMatchObject({ 'entrepot.cache.hit': 'false' })
    expect(named('upstream', 'storage get')?.parentSpanId).toBe(inner!.spanId)
    expect(named('mirror', 'storage get')?.attributes).toMatchObject({
      'entrepot.storage.driver': 'filesystem',
      'entrepot.storage.path': expect.stringContaining('/hub/hello/'),
    })

    await expect.poll(() => receiver.posts.length).toBeGreaterThan(0)
    const [, traceOfPost, spanOfPost] = String(receiver.posts[0]?.headers.traceparent).split('-')
    const delivered = async () => (await collector.spans()).find(({ spanId }) => spanId === spanOfPost)
    await expect.poll(delivered).toMatchObject({
      traceId: traceOfPost,
      name: 'notification POST',
      attributes: { 'entrepot.endpoint': 'hook', 'http.response.status_code': '200' },
    })

    await expect
      .poll(() => linesOf(mirror.output).filter(({ trace_id }) => trace_id === TRACE))
      .toContainEqual(
        expect.objectContaining({
          msg: 'response completed',
          span_id: outer!.spanId,
          'http.response.status': 200,
        }),
      )
    expect(await mirror.stop()).toBe(0)
    expect(await upstream.stop()).toBe(0)
  })

  test('the last spans are exported at the end, and a trace that is not sampled only in the log', async () => {
    await using collector = await OtelCollector.start(folder.path)
    await using registry = await start('sampled', {
      OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${collector.url}/v1/traces`,
      OTEL_BSP_SCHEDULE_DELAY: '600000',
    })
    const ask = (sampled: '00' | '01', path: string) =>
      fetch(registry.url + path, { headers: { traceparent: `00-${TRACE}-${PARENT}-${sampled}` } })
    await ask('01', '/v2/a/manifests/absent')
    await ask('00', '/v2/b/manifests/absent')
    await ask('01', '/livez')
    await expect
      .poll(() => linesOf(registry.output).filter(({ trace_id }) => trace_id === TRACE).length)
      .toBe(2)
    expect(await registry.stop()).toBe(0)
    await expect
      .poll(async () => servers(await collector.spans()))
      .toMatchObject([
        {
          name: 'GET /v2/{name}/manifests/{reference}',
          isFailed: false,
          attributes: {
            'http.response.status_code': '404',
            'entrepot.error.code': 'MANIFEST_UNKNOWN',
            'entrepot.repository': 'a',
          },
        },
      ])
    expect(
      (await collector.spans()).map(({ attributes }) => attributes['entrepot.repository']),
    ).not.toContain('b')
  })
})

function servers(spans: readonly CollectedSpan[]): CollectedSpan[] {
  return spans.filter(({ attributes }) => attributes['url.path'] !== undefined)
}

/** The ids of a span's parents. */
function pathOf({ parentSpanId }: CollectedSpan, spans: readonly CollectedSpan[]): string[] {
  const parent = spans.find(({ spanId }) => spanId === parentSpanId)
  return parent === undefined ? [] : [parent.spanId, ...pathOf(parent, spans)]
}

test('a collector that is not there holds up neither requests nor the end', async () => {
  await using registry = await start('alone', {
    OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${await freePort()}`,
    OTEL_EXPORTER_OTLP_TIMEOUT: '500',
  })
  await new RegistryClient(registry.url).pushImage('a', { tag: 'v1', image })
  await expect.poll(() => registry.output).toContain('tracing has a problem')
  expect(await new RegistryClient(registry.url).manifest('a', 'v1')).toEqual(image.manifest.bytes)
  expect(await registry.stop()).toBe(0)
})

test('without its variables nothing of it is loaded, and lines have no ids', async () => {
  const hooks = join(folder.path, 'hooks.mjs')
  await writeFile(
    hooks,
    `import { registerHooks } from 'node:module'
    registerHooks({ resolve: (name, context, next) => {
      const found = next(name, context)
      if (/opentelemetry|\\/tracing\\/open/.test(found.url)) process.stderr.write('loaded ' + found.url + '\\n')
      return found
    } })`,
  )
  const NODE_OPTIONS = `--import=${pathToFileURL(hooks)}`
  const loaded = async (environment: Record<string, string>) => {
    await using registry = await start('loaded', { NODE_OPTIONS, ...environment })
    await fetch(`${registry.url}/v2/`, { headers: { traceparent: `00-${TRACE}-${PARENT}-01` } })
    await expect.poll(() => registry.output).toContain('response completed')
    await registry.stop()
    return [/^loaded .*opentelemetry/m.test(registry.output), registry.output.includes('trace_id')]
  }
  expect(await loaded({})).toEqual([false, false])
  expect(await loaded({ OTEL_TRACES_EXPORTER: 'otlp', OTEL_EXPORTER_OTLP_TIMEOUT: '100' })).toEqual([
    true,
    true,
  ])
})
