/** How many requests the store gets for what clients do most, counted between the registry and a real S3 server. */
import { describe, expect, test } from 'vitest'
import { S3Driver } from '../../src/storage/s3.ts'
import { FaultyProxy } from '../support/faulty-proxy.ts'
import { type Answer, HttpRegistry, quiet } from '../support/http-registry.ts'
import { contentOf, imageManifest, mediaTypes, sha256 } from '../support/oci-image.ts'
import { seededRandom } from '../support/random.ts'
import { MIB, s3ServerForTests, s3Settings, skipReason } from '../support/s3-driver.ts'
import { s3Operation } from '../support/s3-operation.ts'

const random = seededRandom('calls')

describe.skipIf(skipReason('versitygw'))(`requests to the store${skipReason('versitygw') ?? ''}`, () => {
  const server = s3ServerForTests('versitygw')

  async function start() {
    const proxy = await FaultyProxy.start(server().endpoint)
    const settings = s3Settings(server(), { regionendpoint: proxy.endpoint, chunksize: 10 * MIB })
    const registry = await HttpRegistry.start({ driver: await S3Driver.open(settings, { log: quiet }) })
    proxy.forget()
    const dispose = async () => {
      await registry[Symbol.asyncDispose]()
      await proxy[Symbol.asyncDispose]()
    }
    const during = async (work: () => Promise<unknown>): Promise<string[]> => {
      proxy.forget()
      await work()
      return proxy.requests.map(s3Operation).toSorted()
    }
    return { registry, during, [Symbol.asyncDispose]: dispose }
  }

  const PUSH = ['CopyObject', 'DeleteObjects', 'PutObject', 'PutObject', 'PutObject']

  test('a new blob of 10 MiB in a POST and a PUT: 5', async () => {
    await using place = await start()
    const content = random.bytes(10 * MIB)
    const calls = await place.during(async () => {
      const { location } = await begin(place.registry)
      await finish(place.registry, { location, content, digest: sha256(content) })
    })
    expect(calls).toEqual(PUSH)
  })

  test('a new blob of three parts in a POST and a PUT: 6, and 3 for the parts', async () => {
    await using place = await start()
    const content = random.bytes(25 * MIB)
    const calls = await place.during(async () => {
      const { location } = await begin(place.registry)
      await finish(place.registry, { location, content, digest: sha256(content) })
    })
    expect(calls).toEqual([
      ...['CompleteMultipartUpload', 'CopyObject', 'CreateMultipartUpload', 'DeleteObjects'],
      ...['PutObject', 'PutObject', 'UploadPart', 'UploadPart', 'UploadPart'],
    ])
  })

  test('as Docker sends one of three parts: 11, and 3 for the parts', async () => {
    await using place = await start()
    const content = random.bytes(25 * MIB)
    const calls = await place.during(async () => {
      const { location } = await begin(place.registry)
      const next = await patch(place.registry, { location, content })
      await finish(place.registry, { location: next, digest: sha256(content) })
    })
    expect(calls).toEqual([
      ...['CompleteMultipartUpload', 'CompleteMultipartUpload'],
      ...['CreateMultipartUpload', 'CreateMultipartUpload', 'DeleteObjects', 'GetObject'],
      ...['PutObject', 'PutObject', 'PutObject', 'PutObject'],
      ...['UploadPart', 'UploadPart', 'UploadPart', 'UploadPartCopy'],
    ])
  })

  test('a chunk of less than a part, on a large upload: 3', async () => {
    await using place = await start()
    const { location } = await begin(place.registry)
    const next = await patch(place.registry, { location, content: random.bytes(21 * MIB) })
    const calls = await place.during(() =>
      patch(place.registry, { location: next, content: random.bytes(MIB) }),
    )
    expect(calls).toEqual(['GetObject', 'PutObject', 'PutObject'])
  })

  test('in a single POST: 5', async () => {
    await using place = await start()
    const content = random.bytes(10 * MIB)
    const calls = await place.during(async () => {
      const path = `/v2/a/b/blobs/uploads/?digest=${sha256(content)}`
      expect((await place.registry.send(`POST ${path}`, { body: content })).status).toBe(201)
    })
    expect(calls).toEqual(PUSH)
  })

  test('as Docker sends it, in a POST, a PATCH and a PUT: 6', async () => {
    await using place = await start()
    const content = random.bytes(10 * MIB)
    const calls = await place.during(async () => {
      const { location } = await begin(place.registry)
      const next = await patch(place.registry, { location, content })
      await finish(place.registry, { location: next, digest: sha256(content) })
    })
    expect(calls).toEqual([...PUSH, 'PutObject'])
  })

  test('a blob that is there already, in another repository, is looked at instead of copied: 7', async () => {
    await using place = await start()
    const content = random.bytes(MIB)
    await place.registry.client.pushBlob('first', content)
    const calls = await place.during(() => place.registry.client.pushBlob('second', content))
    expect(calls).toEqual([
      ...['DeleteObjects', 'HeadObject', 'HeadObject', 'HeadObject', 'PutObject', 'PutObject', 'PutObject'],
    ])
  })

  test('a blob that is known: HEAD and GET by redirect 0', async () => {
    await using place = await start()
    const content = random.bytes(MIB)
    await place.registry.client.pushBlob('a/b', content)
    const path = `/v2/a/b/blobs/${sha256(content)}`
    const calls = await place.during(async () => {
      expect((await place.registry.send(`HEAD ${path}`)).status).toBe(200)
      const redirected = await place.registry.send(`GET ${path}`)
      expect(redirected.status).toBe(307)
    })
    expect(calls).toEqual([])
  })

  test('the URL of a redirect gives the bytes, and for a range these', async () => {
    await using place = await start()
    const content = random.bytes(MIB)
    await place.registry.client.pushBlob('a/b', content)
    const redirected = await place.registry.send(`GET /v2/a/b/blobs/${sha256(content)}`)
    const url = String(redirected.headers.location)
    expect(Buffer.from(await (await fetch(url)).arrayBuffer()).equals(content)).toBe(true)
    const part = await fetch(url, { headers: { range: 'bytes=10-19' } })
    expect(part.status).toBe(206)
    expect(Buffer.from(await part.arrayBuffer()).equals(content.subarray(10, 20))).toBe(true)
  })

  test('a manifest with 20 known layers: 4, its tag included, and a look at deletions; by tag 1, by digest 0', async () => {
    await using place = await start()
    const layers = Array.from({ length: 20 }, () => contentOf(random.bytes(1_000), mediaTypes.layer))
    const config = contentOf(Buffer.from('{}'), mediaTypes.config)
    for (const { bytes } of [config, ...layers]) await place.registry.client.pushBlob('a/b', bytes)
    const manifest = imageManifest(
      config,
      layers.map((layer) => ({ ...layer, diffId: layer.descriptor.digest })),
    )
    const push = () => place.registry.client.pushManifest('a/b', { reference: 'latest', manifest })
    const puts = ['PutObject', 'PutObject', 'PutObject', 'PutObject']
    expect(await place.during(push)).toEqual(['GetObject', ...puts])
    const pull = (reference: string) => place.during(() => place.registry.client.manifest('a/b', reference))
    await pull('latest')
    expect(await pull('latest')).toEqual(['GetObject'])
    expect(await pull(manifest.descriptor.digest)).toEqual([])
  })
})

async function begin(registry: HttpRegistry): Promise<{ location: string }> {
  const begun = await registry.send('POST /v2/a/b/blobs/uploads/')
  expect(begun.status).toBe(202)
  return { location: String(begun.headers.location) }
}

/** @returns where the next chunk goes */
async function patch(
  registry: HttpRegistry,
  { location, content }: { location: string; content: Buffer },
): Promise<string> {
  const patched = await registry.send(`PATCH ${location}`, { body: content })
  expect(patched.status).toBe(202)
  return String(patched.headers.location)
}

async function finish(
  registry: HttpRegistry,
  { location, digest, content }: { location: string; digest: string; content?: Buffer },
): Promise<Answer> {
  const path = `${location}${location.includes('?') ? '&' : '?'}digest=${digest}`
  const finished = await registry.send(`PUT ${path}`, content ? { body: content } : {})
  expect(finished.status).toBe(201)
  return finished
}
