/** How often storage is asked, counted: what the layer info cache is for. */
import { expect, test } from 'vitest'
import { NO_CACHE } from '../../src/core/descriptor-cache.ts'
import { digestOf } from '../../src/core/digest.ts'
import { MediaType } from '../../src/core/media-type.ts'
import { MemoryDriver } from '../../src/storage/memory.ts'
import { type DriverCall, FaultyDriver } from '../support/faulty-driver.ts'
import { HttpRegistry } from '../support/http-registry.ts'
import { descriptorOf, imageJson, payloadOf } from '../support/manifest-json.ts'

const REPOSITORY = '/docker/registry/v2/repositories/a'
const large = Buffer.alloc(256 * 1024, 'large')
const layers = Array.from({ length: 20 }, (_, index) => `layer ${index}`)
const image = payloadOf(imageJson({ layers: layers.map((layer) => descriptorOf(layer)) }))
const withLarge = payloadOf(
  imageJson({ layers: [descriptorOf('', { digest: digestOf(large), size: large.length })] }),
)

/** A URL costs no trip to the storage, so asking for one is not counted. */
function calls(driver: FaultyDriver): DriverCall[] {
  return driver.calls.filter(({ method }) => method !== 'redirectUrl')
}

/** A registry that has an image of twenty layers and a large blob. */
async function registryWithImage() {
  const driver = new FaultyDriver(new MemoryDriver())
  const registry = await HttpRegistry.start({ driver })
  for (const blob of ['config', ...layers, large]) await registry.client.pushBlob('a', Buffer.from(blob))
  await putImage(registry, 'latest')
  return { registry, driver }
}

async function putImage(registry: HttpRegistry, tag: string, body = image) {
  const headers = { 'content-type': MediaType.ociManifest }
  expect((await registry.send(`PUT /v2/a/manifests/${tag}`, { headers, body })).status).toBe(201)
}

const small = digestOf(Buffer.from('config'))
const manifest = digestOf(image)
const tagLink = `${REPOSITORY}/_manifests/tags/latest/current/link`
const largeHex = digestOf(large).slice('sha256:'.length)
const largePath = `/docker/registry/v2/blobs/sha256/${largeHex.slice(0, 2)}/${largeHex}/data`

/** For each request, what it costs when it was made before. */
const warm: [string, DriverCall[]][] = [
  [`HEAD /v2/a/blobs/${small}`, []],
  [`HEAD /v2/a/blobs/${digestOf(large)}`, []],
  [`GET /v2/a/blobs/${small}`, []],
  [`GET /v2/a/blobs/${digestOf(large)}`, [{ method: 'read', path: largePath }]],
  [`GET /v2/a/manifests/${manifest}`, []],
  [`HEAD /v2/a/manifests/${manifest}`, []],
  ['GET /v2/a/manifests/latest', [{ method: 'get', path: tagLink }]],
  ['HEAD /v2/a/manifests/latest', [{ method: 'get', path: tagLink }]],
]

test.each(warm)('%s', async (request, expected) => {
  const { registry: pushed, driver } = await registryWithImage()
  await using _ = pushed
  await using registry = await HttpRegistry.start({ driver })
  driver.forget()
  const cold = await registry.send(request)
  expect(cold.status).toBe(200)
  expect(calls(driver).length).toBeGreaterThan(expected.length)
  driver.forget()
  const again = await registry.send(request)
  expect([again.status, again.body]).toEqual([200, cold.body])
  expect(calls(driver)).toEqual(expected)
})

/** The requests that push a blob, each where the first has said it goes on, and what they cost. In a bucket that takes
 *  what a writer was given in one piece, `append` is one trip with all that is done to the writer. */
const pushes: { requests: string[]; expected: string[] }[] = [
  {
    requests: ['POST', 'PUT with bytes'],
    expected: ['put startedat', 'append data', 'move data', 'put link', 'delete'],
  },
  {
    requests: ['POST', 'PATCH with bytes', 'PUT'],
    expected: ['put startedat', 'append data', 'put digests', 'move data', 'put link', 'delete'],
  },
  {
    requests: ['POST ?digest= with bytes'],
    expected: ['put startedat', 'append data', 'move data', 'put link', 'delete'],
  },
  {
    requests: ['POST', 'PATCH with bytes', 'PATCH with bytes', 'PUT'],
    expected: [
      ...['put startedat', 'append data', 'put digests', 'append data', 'put digests'],
      ...['move data', 'put link', 'delete'],
    ],
  },
]

/** The calls as `put link`: the method and the name of the file. What a writer is asked for goes with its `append`. */
function shortly({ method, path }: DriverCall): string {
  return method === 'delete' ? method : `${method} ${path.split('/').at(-1)}`
}

test.each(pushes)('a new blob by $requests', async ({ requests, expected }) => {
  const driver = new FaultyDriver(new MemoryDriver())
  await using registry = await HttpRegistry.start({ driver })
  const whole = Buffer.concat(requests.filter((one) => one.includes('with bytes')).map(() => large))
  let location = '/v2/a/blobs/uploads/'
  for (const request of requests) {
    const [method = ''] = request.split(' ')
    const query = method === 'PUT' || request.includes('?digest=') ? `?digest=${digestOf(whole)}` : ''
    const body = request.includes('with bytes') ? { body: large } : {}
    const answer = await registry.send(`${method} ${location}${query}`, body)
    expect(answer.status).toBe(method === 'PUT' || query !== '' ? 201 : 202)
    location = answer.headers.location ?? ''
  }
  const made = driver.calls.filter(({ method }) => !method.startsWith('writer.'))
  expect(made.map(shortly)).toEqual(expected)
})

test('a manifest under a tag is four files, and a look whether somebody is deleting', async () => {
  const { registry, driver } = await registryWithImage()
  await using _ = registry
  driver.forget()
  await putImage(registry, 'other')
  const puts = ['put data', 'put link', 'put link', 'put link']
  expect(driver.calls.map(shortly)).toEqual([...puts, 'getState deletions'])
})

test('a registry that was pushed to has at hand what it was told', async () => {
  const { registry, driver } = await registryWithImage()
  await using _ = registry
  driver.forget()
  const requests = [`HEAD /v2/a/blobs/${small}`, `HEAD /v2/a/blobs/${digestOf(large)}`]
  for (const request of [...requests, `GET /v2/a/manifests/${manifest}`]) {
    expect((await registry.send(request)).status).toBe(200)
  }
  expect(calls(driver)).toEqual([])
})

test('a manifest of layers that are known is checked without asking storage', async () => {
  const { registry, driver } = await registryWithImage()
  await using _ = registry
  driver.forget()
  await putImage(registry, 'other')
  await putImage(registry, 'large', withLarge)
  const looks = driver.calls.filter(({ method }) => method !== 'put').map(shortly)
  expect(looks).toEqual(['getState deletions', 'getState deletions'])
})

test('a mounted blob is known', async () => {
  const { registry, driver } = await registryWithImage()
  await using _ = registry
  expect((await registry.send(`POST /v2/b/blobs/uploads/?mount=${small}&from=a`)).status).toBe(201)
  driver.forget()
  expect((await registry.send(`HEAD /v2/b/blobs/${small}`)).status).toBe(200)
  expect(calls(driver)).toEqual([])
})

test('without a cache storage is asked every time', async () => {
  const { registry: pushed, driver } = await registryWithImage()
  await using _ = pushed
  await using registry = await HttpRegistry.start({ driver, cache: NO_CACHE })
  const counts: number[] = []
  for (const request of [`HEAD /v2/a/blobs/${small}`, `GET /v2/a/manifests/${manifest}`]) {
    for (let time = 0; time < 2; time++) {
      driver.forget()
      expect((await registry.send(request)).status).toBe(200)
      counts.push(calls(driver).length)
    }
  }
  expect(counts).toEqual([2, 2, 2, 2])
})
