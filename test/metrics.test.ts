/** What `entrepot serve` says of itself on its debug server. */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { runEntrepot } from './support/command.ts'
import { describeWith } from './support/describe-with.ts'
import { startEntrepot } from './support/entrepot-process.ts'
import { Exposition } from './support/exposition.ts'
import { freePort } from './support/free-port.ts'
import { gzippedLayer, imageOf } from './support/oci-image.ts'
import { RawConnection } from './support/raw-connection.ts'
import { RedisProcess } from './support/redis-process.ts'
import { RegistryClient } from './support/registry-client.ts'
import { writeConfig } from './support/registry-process.ts'
import type { ServerProcess } from './support/server-process.ts'
import { type TemporaryFolder, temporaryFolder } from './support/temporary-folder.ts'
import { untilRefused } from './support/until-refused.ts'

let folder: TemporaryFolder
beforeEach(async () => {
  folder = await temporaryFolder()
})
afterEach(() => folder.remove())

const prometheus = { enabled: true }

function options(debug: object | undefined) {
  const http = { addr: '127.0.0.1:0', ...(debug && { debug: { addr: '127.0.0.1:0', ...debug } }) }
  return { dataFolder: join(folder.path, 'data'), configFolder: folder.path, config: { http } }
}

function start(debug?: object): Promise<ServerProcess> {
  return startEntrepot(options(debug))
}

function debugUrl(server: ServerProcess): string {
  return /"debugAddress":"([^"]+)"/.exec(server.output)![1]!
}

async function scrape(server: ServerProcess, path = '/metrics'): Promise<Exposition> {
  const answer = await fetch(`${debugUrl(server)}${path}`)
  expect(answer.status).toBe(200)
  return new Exposition(await answer.text())
}

const image = imageOf([gzippedLayer([{ path: 'file', content: 'c0ntent' }])])
const digest = image.manifest.descriptor.digest
const layer = image.layers[0]!.descriptor.digest

/** Pushes an image, pulls it, asks for what is not there, deletes it. */
async function useRegistry(client: RegistryClient, repository: string): Promise<void> {
  await client.pushImage(repository, { tag: 'latest', image })
  expect(await client.manifest(repository, 'latest')).toEqual(image.manifest.bytes)
  expect(await client.manifest(repository, digest)).toEqual(image.manifest.bytes)
  expect(await client.manifest(repository, 'other')).toBeUndefined()
  for (const { descriptor } of [image.config, ...image.layers]) {
    expect(await client.hasBlob(repository, descriptor.digest)).toBe(true)
    expect(await client.blob(repository, descriptor.digest)).toBeDefined()
  }
  await client.tags(repository)
  await client.catalog()
  await client.deleteManifest(repository, digest)
  await client.deleteBlob(repository, layer)
}

const requests: [handler: string, method: string, code: string, count: number][] = [
  ['blob', 'head', '404', 2],
  ['blob_upload', 'post', '202', 2],
  ['blob_upload_chunk', 'put', '201', 2],
  ['manifest', 'put', '201', 1],
  ['manifest', 'get', '200', 2],
  ['manifest', 'get', '404', 1],
  ['blob', 'head', '200', 2],
  ['blob', 'get', '200', 2],
  ['tags', 'get', '200', 1],
  ['catalog', 'get', '200', 1],
  ['manifest', 'delete', '202', 1],
  ['blob', 'delete', '202', 1],
]

describe('the metrics of a registry', () => {
  it('say what was asked of it, and what it answered', async () => {
    await using server = await start({ prometheus })
    await useRegistry(new RegistryClient(server.url), 'a/b')
    const scraped = await scrape(server)
    const counted = scraped.samples
      .filter(({ name }) => name === 'registry_http_requests_total')
      .map(({ labels: { handler, method, code }, value }) => [handler, method, code, value])
    expect(counted.sort()).toEqual([...requests].sort())
    const blobGets = { handler: 'blob', method: 'get' }
    expect(scraped.value('registry_http_request_duration_seconds_count', blobGets)).toBe(2)
    expect(scraped.value('registry_http_in_flight_requests', { handler: 'blob' })).toBe(0)
    const blobBytes = [image.config, ...image.layers].reduce((sum, { bytes }) => sum + bytes.length, 0)
    const uploaded = scraped.value('registry_http_request_size_bytes_sum', { handler: 'blob_upload_chunk' })
    expect(uploaded).toBeGreaterThan(blobBytes)
    const sent = scraped.value('registry_http_response_size_bytes_sum', { handler: 'blob' })
    expect(sent).toBe(blobBytes)
  })

  it('say what it asked of its storage and of its cache', async () => {
    await using server = await start({ prometheus })
    const before = await scrape(server)
    await useRegistry(new RegistryClient(server.url), 'a/b')
    const scraped = await scrape(server)
    const times = (action: string) =>
      scraped.value('registry_storage_action_seconds_count', { driver: 'filesystem', action })
    expect(times('PutContent')).toBeGreaterThanOrEqual(8)
    expect(times('Writer')).toBe(2)
    expect(times('Move')).toBe(2)
    expect(times('Delete')).toBeGreaterThanOrEqual(1)
    expect(times('GetContent')).toBeGreaterThanOrEqual(1)
    expect(times('List')).toBeGreaterThanOrEqual(1)
    const cache = (name: string) => scraped.value(`registry_storage_cache_${name}`)
    expect(before.value('registry_storage_cache_hits_total')).toBe(0)
    expect(cache('hits_total')).toBeGreaterThanOrEqual(6)
    expect(cache('requests_total')).toBeGreaterThan(cache('hits_total')!)
    expect(cache('errors_total')).toBe(0)
    expect(cache('entries')).toBeGreaterThanOrEqual(1)
    expect(
      scraped.value('registry_storage_cache_evictions_total', { reason: 'deleted' }),
    ).toBeGreaterThanOrEqual(2)
    expect(scraped.value('registry_storage_cache_evictions_total', { reason: 'displaced' })).toBe(0)
    expect(scraped.value('process_cpu_seconds_total')).toBeGreaterThan(0)
  })

  it('name nobody and nothing, and are as many whatever is asked', async () => {
    await using server = await start({ prometheus })
    const client = new RegistryClient(server.url)
    const ask = async (canary: string) => {
      await useRegistry(client, canary)
      const headers = { authorization: `Bearer ${canary}`, 'user-agent': canary, 'x-request-id': canary }
      for (const path of [`/v2/?${canary}`, `/v2/${canary}/manifests/${canary}?${canary}`, `/${canary}`]) {
        await fetch(`${server.url}${path}`, { headers })
        await fetch(`${server.url}${path}`, { headers, method: 'POST' })
      }
      const { samples } = await scrape(server)
      return samples.map(({ name, labels }) => JSON.stringify([name, labels])).sort()
    }
    const isOurs = (sample: string) => sample.startsWith('["registry_')
    await ask('zeroth-c4nary') // what was pushed before is looked at with a `Stat`
    const first = (await ask('first-c4nary')).filter(isOurs)
    const second = (await ask('second-c4nary')).filter(isOurs)
    expect(second).toEqual(first)
    const text = await (await fetch(`${debugUrl(server)}/metrics`)).text()
    for (const canary of ['c4nary', digest.slice(7), layer.slice(7), folder.path]) {
      expect(text).not.toContain(canary)
    }
  })

  it('stand where the configuration says', async () => {
    await using server = await start({ prometheus: { enabled: true, path: '/my/metrics' } })
    expect((await scrape(server, '/my/metrics')).samples.length).toBeGreaterThan(50)
    expect((await fetch(`${debugUrl(server)}/metrics`)).status).toBe(404)
    expect((await fetch(`${server.url}/my/metrics`)).status).toBe(404)
  })

  it('can be read while the registry drains', async () => {
    await using server = await start({ prometheus })
    const { location } = await new RegistryClient(server.url).beginUpload('a')
    using connection = await RawConnection.open(Number(new URL(server.url).port))
    connection.writeHead(
      `PATCH ${location} HTTP/1.1`,
      ...['Host: localhost', 'Content-Length: 8', 'Expect: 100-continue'],
    )
    await connection.until(/100 Continue/)
    const stopped = server.stop()
    await untilRefused(server.url)
    const scraped = await scrape(server)
    expect(scraped.value('registry_http_in_flight_requests', { handler: 'blob_upload_chunk' })).toBe(1)
    connection.write('all of it'.slice(0, 8))
    await connection.until(/HTTP\/1\.1 202 /)
    expect(await stopped).toBe(0)
  })
})

describeWith(['redis-server'], 'the metrics of a registry with Redis', () => {
  it('say how long Redis took, and that it cannot be asked', async () => {
    await using redis = await RedisProcess.start()
    const { dataFolder, configFolder, config } = options({ prometheus })
    const withRedis = { ...config, redis: { addr: redis.address } }
    await using server = await startEntrepot({ dataFolder, configFolder, config: withRedis })
    const client = new RegistryClient(server.url)
    const operations = async () =>
      (await scrape(server)).labelValues('registry_storage_cache_redis_seconds_count', 'operation')
    let pushes = 0
    while (!(await operations()).has('set')) await client.pushBlob('a', Buffer.from(`blob ${pushes++}`))
    await client.hasBlob('a', layer)
    expect([...(await operations())].sort()).toEqual(['get', 'set'])
    const errors = async () => (await scrape(server)).value('registry_storage_cache_errors_total')
    const before = await errors()
    await redis.kill()
    while ((await errors()) === before) await client.hasBlob('a', layer)
  })
})

describe('the debug server', () => {
  it('says that the registry is healthy, and has no metrics unless they are enabled', async () => {
    await using server = await start({})
    const health = await fetch(`${debugUrl(server)}/debug/health`)
    expect([health.status, await health.text()]).toEqual([200, '{}'])
    expect((await fetch(`${debugUrl(server)}/metrics`)).status).toBe(404)
  })

  it('is not there unless it is asked for', async () => {
    await using server = await start()
    expect(server.output).not.toContain('debug')
    expect((await fetch(`${server.url}/metrics`)).status).toBe(404)
    expect((await fetch(`${server.url}/debug/health`)).status).toBe(404)
  })

  it('keeps the registry from starting when its address is taken, and says so', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    await once(other, 'listening')
    const address = other.address()
    const addr = `127.0.0.1:${typeof address === 'object' ? address?.port : ''}`
    const config = await writeConfig('serve', options({ addr, prometheus }))
    const { code, stdout, stderr } = await runEntrepot(['serve', config])
    other.close()
    expect({ code, stdout }).toEqual({ code: 1, stdout: '' })
    expect(stderr).toBe(`entrepot: http.debug.addr: listen EADDRINUSE: address already in use ${addr}\n`)
  })

  it('does not take the address of the registry', async () => {
    const addr = 'localhost:5999'
    const config = { http: { addr, debug: { addr, prometheus } } }
    const result = await runEntrepot(['serve', await writeConfig('serve', { ...options({}), config })])
    expect(result.code).toBe(1)
    expect(result.stderr).toContain('http.debug.addr')
  })
})

describe('what is made of the metrics', () => {
  const deployed = (path: string) => readFileSync(new URL(`../deploy/${path}`, import.meta.url), 'utf8')

  /** A registry with every part that has metrics, but for Redis. */
  async function startWithEverything(): Promise<ServerProcess> {
    const { config, ...folders } = options({ prometheus })
    const upstream = `http://127.0.0.1:${await freePort()}`
    const maintenance = { gc: { enabled: true }, scrub: { enabled: true } }
    return startEntrepot({
      ...folders,
      storage: { filesystem: { rootdirectory: folders.dataFolder }, maintenance },
      config: {
        ...config,
        mirrors: [{ upstream, prefix: 'mirrored' }],
        notifications: { endpoints: [{ name: 'receiver', url: upstream }] },
      },
    })
  }

  it('names only metrics that are there', async () => {
    await using server = await startWithEverything()
    await useRegistry(new RegistryClient(server.url), 'a')
    const { types, samples } = await scrape(server)
    // Where there is no Redis, its metric is not there.
    const there = new Set([...types.keys(), 'registry_storage_cache_redis_seconds'])
    const dashboard = JSON.parse(deployed('grafana/entrepot.json')) as Dashboard
    const expressions = [
      ...dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr)),
      ...[...deployed('prometheus/alerts.yml').matchAll(/\bexpr: (?:\|\n((?: {10}.*\n)+)|(.*))/g)].map(
        ([, lines, line]) => lines ?? line ?? '',
      ),
    ]
    expect(expressions.length).toBeGreaterThan(40)
    for (const expression of expressions) {
      const named = expression.match(/\b(?:registry|process|nodejs)_\w+/g) ?? []
      expect(named, expression).not.toEqual([])
      for (const name of named) expect(there, name).toContain(name.replace(/_(bucket|sum|count)$/, ''))
    }
    const labels = new Set(samples.flatMap((sample) => Object.keys(sample.labels)))
    for (const label of ['code', 'handler', 'action', 'reason', 'log', 'version'])
      expect(labels).toContain(label)
  })

  it('is listed in the documentation, all of it', async () => {
    await using server = await startWithEverything()
    const { types } = await scrape(server)
    const page = readFileSync(new URL('../docs/observability.md', import.meta.url), 'utf8')
    const list = page.slice(page.indexOf('### List of metrics'), page.indexOf('### Labels'))
    const listed = [...list.matchAll(/^\| `(registry_\w+)` \| (\w+) \|/gm)].map(([, name, type]) => [
      name,
      type,
    ])
    const there = [...types].filter(([name]) => name.startsWith('registry_'))
    const redis = ['registry_storage_cache_redis_seconds', 'histogram']
    expect(listed.sort()).toEqual([...there, redis].sort())
  })

  it('tells the version', async () => {
    await using server = await start({ prometheus })
    const { samples } = await scrape(server)
    const build = samples.find(({ name }) => name === 'registry_build_info')
    const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8'))
    expect(build).toMatchObject({ labels: { version, nodeversion: process.version }, value: 1 })
  })
})

interface Dashboard {
  readonly panels: readonly { readonly targets?: readonly { readonly expr: string }[] }[]
}
