/** Copying between registries, through proxies that fail on purpose. */
import { beforeEach, expect, test } from 'vitest'
import { Copier, type CopyObserver } from '../../src/client/copy/copier.ts'
import { RegistryImages } from '../../src/client/copy/registry-images.ts'
import { Retries } from '../../src/client/copy/retries.ts'
import { openNodeConnections } from '../../src/client/http/node-connections.ts'
import { PushClient } from '../../src/client/push/push-client.ts'
import type { Digest } from '../../src/core/digest.ts'
import type { RepositoryName } from '../../src/core/reference.ts'
import { FaultyProxy } from '../support/faulty-proxy.ts'
import { HttpRegistry } from '../support/http-registry.ts'
import { contentOf, gzippedLayer, imageManifest, imageOf, indexOf } from '../support/oci-image.ts'
import { seededRandom } from '../support/random.ts'

const random = seededRandom('copying')
const image = imageOf([
  gzippedLayer([{ path: 'small', content: 'small' }]),
  gzippedLayer([{ path: 'large', content: random.bytes(6_000_000) }]),
])
const [, large] = image.layers
const digest = image.manifest.descriptor.digest as Digest

/** Two registries, each behind a proxy. */
async function pair() {
  const stack = new AsyncDisposableStack()
  const [from, to] = await Promise.all([HttpRegistry.start(), HttpRegistry.start()])
  stack.use(from)
  stack.use(to)
  const source = stack.use(await FaultyProxy.start(from.url))
  const target = stack.use(await FaultyProxy.start(to.url))
  await from.client.pushImage('a', { image, tag: 'v1' })
  return { from, to, source, target, [Symbol.asyncDispose]: () => stack.disposeAsync() }
}

const retries = new Retries(3, { firstDelayMs: 1 })
const outcomes: string[] = []

beforeEach(() => {
  outcomes.length = 0
})

function copier(): Copier {
  const observer: CopyObserver = {
    onBlob() {},
    onBlobDone: (_descriptor, outcome) => outcomes.push(outcome),
    onManifest() {},
  }
  return new Copier({ jobs: 4, retries, observer })
}

function images(url: string, repository: string): RegistryImages {
  const client = new PushClient({
    ...{ url, userAgent: 'test', redirectNetworks: ['127.0.0.0/8'] },
    openConnections: openNodeConnections,
  })
  return new RegistryImages(client, { registry: url, repository: repository as RepositoryName }, retries)
}

test('a copy has the same bytes, and a second one sends none', async () => {
  await using registries = await pair()
  const { source, target, to } = registries
  const request = { source: images(source.endpoint, 'a'), target: images(target.endpoint, 'b') }
  const copied = await copier().copy({ ...request, reference: 'v1', tag: 'v2' })
  expect(copied.digest).toBe(digest)
  expect(await to.client.manifest('b', 'v2')).toEqual(image.manifest.bytes)
  for (const { descriptor, bytes } of [image.config, ...image.layers])
    expect(await to.client.blob('b', descriptor.digest)).toEqual(bytes)
  target.forget()
  await copier().copy({ ...request, reference: 'v1', tag: 'v2' })
  expect(target.requests.map(({ method }) => method)).toEqual(['HEAD', 'PUT'])
})

test('of a repository without tags nothing is asked, of another one what is there', async () => {
  await using registries = await pair()
  const { to, source, target } = registries
  const copy = async () => {
    target.requests.length = 0
    const repository = images(target.endpoint, 'b')
    await repository.lookForTags()
    await copier().copy({
      source: images(source.endpoint, 'a'),
      target: repository,
      reference: 'v1',
      tag: 'v1',
    })
    return target.requests.filter(({ method }) => method === 'HEAD').length
  }
  expect(await copy()).toBe(0)
  expect(await to.client.manifest('b', 'v1')).toEqual(image.manifest.bytes)
  expect(await copy()).toBe(1)
  expect(outcomes).toEqual(['copied', 'copied', 'copied'])
})

test('what is interrupted is continued where it ended', async () => {
  await using registries = await pair()
  const { source, target, to } = registries
  let truncated = 0
  source.fault = ({ method, path }) =>
    method === 'GET' && path.endsWith(`${large?.descriptor.digest}`) && truncated++ === 0
      ? { kind: 'truncate', bytes: 1_000_000 }
      : undefined
  let lost = 0
  target.fault = ({ method }) => (method === 'PATCH' && lost++ === 0 ? { kind: 'lose-answer' } : undefined)
  const request = { source: images(source.endpoint, 'a'), target: images(target.endpoint, 'b') }
  await copier().copy({ ...request, reference: 'v1', tag: 'v1' })
  expect(await to.client.blob('b', large?.descriptor.digest ?? '')).toEqual(large?.bytes)
  const ranges = source.requests.flatMap(({ headers }) => headers.range ?? [])
  expect(ranges).toEqual(['bytes=1000000-'])
  // The registry had all the bytes: only what it has was asked for, and the upload finished.
  expect(target.requests.filter(({ method }) => method === 'PATCH')).toHaveLength(1)
  expect(
    target.requests.filter(({ method, path }) => method === 'GET' && path.includes('/uploads/')),
  ).toHaveLength(1)
})

test('blobs are mounted from the same registry, also from where they were copied to', async () => {
  await using registries = await pair()
  const { from, source, target } = registries
  const here = copier()
  const request = { reference: 'v1', tag: 'v1' }
  await here.copy({ ...request, source: images(from.url, 'a'), target: images(from.url, 'c') })
  expect(outcomes).toEqual(['mounted', 'mounted', 'mounted'])
  outcomes.length = 0
  const across = copier()
  const origin = images(source.endpoint, 'a')
  await across.copy({ ...request, source: origin, target: images(target.endpoint, 'one') })
  await across.copy({ ...request, source: origin, target: images(target.endpoint, 'two') })
  expect(outcomes).toEqual(['copied', 'copied', 'copied', 'mounted', 'mounted', 'mounted'])
  // A mount tells by itself.
  expect(
    target.requests.filter(({ method, path }) => method === 'HEAD' && path.includes('/two/blobs/')),
  ).toEqual([])
})

test.each([
  ['refuses', { kind: 'answer', status: 404 } as const, 0],
  [
    'begins an upload',
    { kind: 'answer', status: 202, headers: { location: '/v2/b/blobs/uploads/x' } } as const,
    3,
  ],
])('if a mount %s, blobs that are there stay', async (_title, fault, cancelled) => {
  await using registries = await pair()
  const { from, source } = registries
  for (const { bytes } of [image.config, ...image.layers]) await from.client.pushBlob('b', bytes)
  source.fault = ({ method }) => (method === 'POST' ? fault : undefined)
  const request = { source: images(source.endpoint, 'a'), target: images(source.endpoint, 'b') }
  await copier().copy({ ...request, reference: 'v1', tag: 'v1' })
  expect(outcomes).toEqual(['existing', 'existing', 'existing'])
  expect(source.requests.filter(({ method }) => method === 'DELETE')).toHaveLength(cancelled)
  expect(await from.client.manifest('b', 'v1')).toEqual(image.manifest.bytes)
})

test('other bytes than the digest names are refused, and nothing is tagged', async () => {
  await using registries = await pair()
  const { source, target, to } = registries
  const wrong = image.layers[0]
  source.fault = ({ path }) =>
    path.endsWith(`blobs/${wrong?.descriptor.digest}`)
      ? { kind: 'answer', status: 200, body: 'x'.repeat(wrong?.descriptor.size ?? 0) }
      : undefined
  const request = { source: images(source.endpoint, 'a'), target: images(target.endpoint, 'b') }
  await expect(copier().copy({ ...request, reference: 'v1', tag: 'v1' })).rejects.toThrow(/digest|bytes/i)
  expect(await to.client.manifest('b', 'v1')).toBeUndefined()
})

test('an index is copied with all platforms, or one', async () => {
  await using registries = await pair()
  const { from, to } = registries
  const index = indexOf([
    { image, platform: { os: 'linux', architecture: 'amd64' } },
    { image: imageOf([gzippedLayer([{ path: 'arm' }])]), platform: { os: 'linux', architecture: 'arm64' } },
  ])
  await from.client.pushIndex('a', { index, tag: 'all' })
  const request = { source: images(from.url, 'a'), target: images(to.url, 'b'), reference: 'all' }
  const all = await copier().copy({ ...request, tag: 'all' })
  expect(all.digest).toBe(index.manifest.descriptor.digest)
  const arm = { os: 'linux', architecture: 'arm64', variant: undefined }
  const single = await copier().copy({ ...request, tag: 'arm', platform: arm })
  expect(single.digest).toBe(index.images[1]?.manifest.descriptor.digest)
  const none = { ...arm, architecture: 's390x' }
  await expect(copier().copy({ ...request, tag: 'x', platform: none })).rejects.toThrow(
    'has no linux/s390x; it has linux/amd64, linux/arm64',
  )
})

test('referrers are copied, also those of referrers and of a tag by Cosign', async () => {
  await using registries = await pair()
  const { from, to } = registries
  const config = contentOf(Buffer.from('{}'), 'application/vnd.oci.empty.v1+json')
  const [layer] = image.layers
  const signature = imageManifest(config, layer ? [layer] : [], image.manifest.descriptor)
  const countersignature = imageManifest(config, [], signature.descriptor)
  const cosigned = `${digest.replace(':', '-')}.sig`
  await from.client.pushBlob('a', config.bytes)
  for (const manifest of [signature, countersignature])
    await from.client.pushManifest('a', { reference: manifest.descriptor.digest, manifest })
  await from.client.pushManifest('a', { reference: cosigned, manifest: signature })
  const request = { source: images(from.url, 'a'), target: images(to.url, 'b'), reference: 'v1', tag: 'v1' }
  await copier().copy({ ...request, referrers: true })
  for (const { descriptor } of [signature, countersignature])
    expect(await to.client.manifest('b', descriptor.digest)).toBeDefined()
  expect(await to.client.manifest('b', cosigned)).toEqual(signature.bytes)
  expect(await to.client.referrers('b', digest)).toEqual([signature.descriptor.digest])
})
