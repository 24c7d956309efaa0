import { join } from 'node:path'
import { beforeAll, expect, test } from 'vitest'
import { describeWith } from '../../support/describe-with.ts'
import { startDistribution } from '../../support/distribution-process.ts'
import { Exposition } from '../../support/exposition.ts'
import { freePort } from '../../support/free-port.ts'
import { gzippedLayer, imageOf } from '../../support/oci-image.ts'
import { RegistryClient } from '../../support/registry-client.ts'
import type { StartRegistry } from '../../support/registry-process.ts'
import { startRegistry as startEntrepot } from '../../support/registry-under-test.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

/** An address of its own, so that a port that was free a moment ago still is. */
const debugHost = '127.83.0.1'

const httpMetrics = [
  'registry_http_in_flight_requests',
  'registry_http_request_duration_seconds',
  'registry_http_request_size_bytes',
  'registry_http_requests_total',
  'registry_http_response_size_bytes',
]

/** The same traffic, whichever registry it is: a dashboard for the one is a dashboard for the other. */
describeWith(['docker-registry'], 'the metrics of Distribution and of Entrepot', () => {
  let theirs: Exposition
  let ours: Exposition
  beforeAll(async () => {
    theirs = await metricsAfterTraffic(startDistribution)
    ours = await metricsAfterTraffic(startEntrepot)
  })

  test.each([...httpMetrics, 'registry_storage_action_seconds'])('have the same type: %s', (name) => {
    expect(theirs.types.get(name)).toBeDefined()
    expect(ours.types.get(name)).toBe(theirs.types.get(name))
  })

  test('count requests under the same handlers, methods and codes, and as many', () => {
    const counted = samplesOf(theirs, 'registry_http_requests_total')
    expect(counted.length).toBeGreaterThan(20)
    expect(samplesOf(ours, 'registry_http_requests_total')).toEqual(counted)
  })

  test.each(httpMetrics)('have the same samples but for their values: %s', (name) => {
    const labelled = labelsOf(theirs, name)
    expect(labelled.length).toBeGreaterThan(5)
    expect(labelsOf(ours, name)).toEqual(labelled)
  })

  test('time storage under the same driver and in the same buckets, and know no action that Distribution has not', () => {
    const name = 'registry_storage_action_seconds'
    expect(ours.labelValues(`${name}_count`, 'driver')).toEqual(theirs.labelValues(`${name}_count`, 'driver'))
    expect(ours.labelValues(`${name}_bucket`, 'le')).toEqual(theirs.labelValues(`${name}_bucket`, 'le'))
    const known = theirs.labelValues(`${name}_count`, 'action')
    expect(known.size).toBeGreaterThan(5)
    // Distribution does not time what it streams.
    for (const action of ['Reader', 'Writer']) known.add(action)
    const own = [...ours.labelValues(`${name}_count`, 'action')]
    expect(own.length).toBeGreaterThan(5)
    expect(own.filter((action) => !known.has(action))).toEqual([])
  })
})

/** Each sample of a metric: its name, its labels, its value. */
function samplesOf({ samples }: Exposition, metric: string): string[] {
  return samples
    .filter(({ name }) => name.startsWith(metric))
    .map(({ name, labels, value }) => `${name} ${JSON.stringify(Object.entries(labels).sort())} ${value}`)
    .sort()
}

function labelsOf(exposition: Exposition, metric: string): string[] {
  return samplesOf(exposition, metric).map((sample) => sample.replace(/ [^ ]+$/, ''))
}

async function metricsAfterTraffic(start: StartRegistry): Promise<Exposition> {
  await using folder = await temporaryFolder()
  const debugAddress = `${debugHost}:${await freePort(debugHost)}`
  const dataFolder = join(folder.path, 'data')
  const server = await start({
    dataFolder,
    configFolder: folder.path,
    config: { http: { addr: '127.0.0.1:0', debug: { addr: debugAddress, prometheus: { enabled: true } } } },
  })
  try {
    await makeTraffic(server.url)
    return new Exposition(await (await fetch(`http://${debugAddress}/metrics`)).text())
  } finally {
    await server.stop()
  }
}

/** Every handler, with good and bad answers. */
async function makeTraffic(url: string): Promise<void> {
  const client = new RegistryClient(url)
  const image = imageOf([gzippedLayer([{ path: 'file', content: 'content' }])])
  await client.pushImage('a/b', { tag: 'latest', image })
  const { digest } = image.manifest.descriptor
  const layer = image.layers[0]!.descriptor.digest
  await client.manifest('a/b', 'latest')
  await client.manifest('a/b', 'other')
  await client.blob('a/b', layer)
  await client.mountBlob('c', { digest: layer, from: 'a/b' })
  await client.tags('a/b')
  await client.tags('nowhere')
  await client.catalog()
  let upload = await client.beginUpload('a/b')
  upload = await client.sendChunk(upload, Buffer.from('half'))
  await client.uploadState(upload.location)
  await client.request(upload.location, { method: 'DELETE', expect: [204] })
  await client.uploadState(upload.location)
  const others = [
    ['GET', '/v2/', 200],
    ['HEAD', '/v2/', 200],
    ['HEAD', '/v2/a/b/manifests/latest', 200],
    ['HEAD', '/v2/a/b/manifests/other', 404],
    ['PUT', '/v2/a/b/manifests/latest', 400],
    ['POST', '/v2/a/b/tags/list', 405],
    ['GET', '/nowhere', 404],
    ['GET', '/v2/a/b/nothing/there', 404],
  ] as const
  const { mediaType: accept } = image.manifest.descriptor
  for (const [method, path, status] of others) {
    await client.request(path, { method, headers: { accept }, expect: [status] })
  }
  const headers = { range: 'bytes=1-3' }
  await client.request(`/v2/a/b/blobs/${layer}`, { headers, expect: [206] })
  const known = { 'if-none-match': `"${digest}"`, accept }
  await client.request('/v2/a/b/manifests/latest', { headers: known, expect: [304] })
  await client.deleteManifest('a/b', digest)
  await client.deleteBlob('a/b', layer)
}
