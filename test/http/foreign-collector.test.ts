/** Somebody else removes what no manifest names, as Distribution's garbage collector does, and tells nobody. */
import { expect, test } from 'vitest'
import { MemoryDescriptorCache } from '../../src/cache/memory.ts'
import { digestOf } from '../../src/core/digest.ts'
import { MediaType } from '../../src/core/media-type.ts'
import { blobPath } from '../../src/registry/paths.ts'
import { MemoryDriver } from '../../src/storage/memory.ts'
import { HttpRegistry, refusal } from '../support/http-registry.ts'
import { imageJson, payloadOf } from '../support/manifest-json.ts'

const large = Buffer.alloc(300_000, 'layer ')
const small = Buffer.from('{"os":"linux"}')
const describe = (bytes: Buffer, mediaType: string) => ({
  mediaType,
  digest: digestOf(bytes),
  size: bytes.length,
})
const image = payloadOf(
  imageJson({
    config: describe(small, 'application/vnd.oci.image.config.v1+json'),
    layers: [describe(large, 'application/vnd.oci.image.layer.v1.tar')],
  }),
)
const start = (driver: MemoryDriver) =>
  HttpRegistry.start({ driver, cache: new MemoryDescriptorCache({ maxEntries: 100 }) })
const putImage = (registry: HttpRegistry) =>
  registry.send('PUT /v2/a/manifests/v1', { headers: { 'content-type': MediaType.ociManifest }, body: image })
const getBlob = (registry: HttpRegistry, bytes: Buffer) => registry.send(`GET /v2/a/blobs/${digestOf(bytes)}`)

async function push(registry: HttpRegistry) {
  for (const bytes of [large, small]) await registry.client.pushBlob('a', bytes)
  expect((await putImage(registry)).status).toBe(201)
}

async function collect(driver: MemoryDriver) {
  await driver.delete('/docker/registry/v2/blobs')
  await driver.delete('/docker/registry/v2/repositories/a/_layers')
}

test('a replica that knows the layers takes no manifest of them until they are pushed again', async () => {
  const driver = new MemoryDriver()
  await using pusher = await start(driver)
  await push(pusher)
  await using replica = await start(driver)
  for (const bytes of [large, small]) expect((await getBlob(replica, bytes)).status).toBe(200)
  await collect(driver)
  expect(refusal(await putImage(replica))).toMatch(/^400 MANIFEST_BLOB_UNKNOWN/)
  for (const bytes of [large, small]) {
    expect((await replica.send(`HEAD /v2/a/blobs/${digestOf(bytes)}`)).status).toBe(404)
  }
  await push(replica)
  for (const bytes of [large, small]) expect((await getBlob(replica, bytes)).body).toEqual(bytes)
})

test('so does the process that stored them, once a manifest was deleted', async () => {
  const driver = new MemoryDriver()
  await using registry = await start(driver)
  await push(registry)
  expect((await registry.send(`DELETE /v2/a/manifests/${digestOf(image)}`)).status).toBe(202)
  await collect(driver)
  expect(refusal(await putImage(registry))).toMatch(/^400 MANIFEST_BLOB_UNKNOWN/)
  await push(registry)
})

test('a blob whose bytes are gone is unknown when it is read, and from then on', async () => {
  const driver = new MemoryDriver()
  await using registry = await start(driver)
  await push(registry)
  await driver.delete('/docker/registry/v2/blobs')
  expect(refusal(await getBlob(registry, large))).toBe('404 BLOB_UNKNOWN')
  expect((await registry.send(`HEAD /v2/a/blobs/${digestOf(large)}`)).status).toBe(404)
})

test('a blob whose bytes are gone is not mounted, and from then on it is unknown', async () => {
  const driver = new MemoryDriver()
  await using registry = await start(driver)
  await push(registry)
  const head = () => registry.send(`HEAD /v2/a/blobs/${digestOf(large)}`)
  const mount = () => registry.send(`POST /v2/b/blobs/uploads/?mount=${digestOf(large)}&from=a`)
  expect([(await head()).status, (await mount()).status]).toEqual([200, 201])
  await driver.delete(blobPath(digestOf(large)))
  expect([(await head()).status, (await mount()).status]).toEqual([200, 202])
  expect((await registry.send(`HEAD /v2/b/blobs/${digestOf(large)}`)).status).toBe(404)
  await push(registry)
  expect((await mount()).status).toBe(201)
})
