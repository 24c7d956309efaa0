/** docs/deleting.md, as somebody would go through it. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { HttpRegistry } from '../support/http-registry.ts'
import { gzippedLayer, imageOf } from '../support/oci-image.ts'

let registry: HttpRegistry
beforeEach(async () => {
  registry = await HttpRegistry.start()
})
afterEach(() => registry[Symbol.asyncDispose]())

const image = imageOf([gzippedLayer([{ path: 'file', content: 'content' }])])
const manifest = image.manifest.descriptor.digest
const layer = image.layers[0]!.descriptor.digest

async function push(repository: string, ...tags: string[]): Promise<void> {
  for (const tag of tags) await registry.client.pushImage(repository, { tag, image })
}

const statusOf = async (request: string) => (await registry.send(request)).status

test('a tag that is deleted leaves the manifest and other tags', async () => {
  await push('a', 'v1', 'latest')
  expect(await statusOf('DELETE /v2/a/manifests/v1')).toBe(202)
  expect(await statusOf('HEAD /v2/a/manifests/v1')).toBe(404)
  expect(await statusOf('HEAD /v2/a/manifests/latest')).toBe(200)
  expect(await statusOf('DELETE /v2/a/manifests/v1')).toBe(404)
})

test('a manifest goes with its tags, by the digest that its tag was answered with; layers stay', async () => {
  await push('a', 'v1', 'latest')
  const { headers } = await registry.send('HEAD /v2/a/manifests/v1', { headers: { accept: '*/*' } })
  expect(headers['docker-content-digest']).toBe(manifest)
  expect(await statusOf(`DELETE /v2/a/manifests/${manifest}`)).toBe(202)
  for (const reference of ['v1', 'latest', manifest])
    expect(await statusOf(`HEAD /v2/a/manifests/${reference}`)).toBe(404)
  expect(await statusOf(`HEAD /v2/a/blobs/${layer}`)).toBe(200)
})

test('a blob goes from its repository, also if a manifest names it, and stays in others', async () => {
  await push('a', 'v1')
  await push('b', 'v1')
  expect(await statusOf(`DELETE /v2/a/blobs/${layer}`)).toBe(202)
  expect(await statusOf('GET /v2/a/manifests/v1')).toBe(200)
  expect(await statusOf(`GET /v2/a/blobs/${layer}`)).toBe(404)
  expect(await statusOf(`GET /v2/b/blobs/${layer}`)).toBe(200)
})

test('nothing is freed, and an empty repository is still listed', async () => {
  await push('a', 'v1')
  for (const digest of [layer, image.config.descriptor.digest])
    expect(await statusOf(`DELETE /v2/a/blobs/${digest}`)).toBe(202)
  expect(await statusOf(`DELETE /v2/a/manifests/${manifest}`)).toBe(202)
  const hex = layer.replace('sha256:', '')
  const path = `/docker/registry/v2/blobs/sha256/${hex.slice(0, 2)}/${hex}/data`
  expect(digestOf(await registry.driver.get(path))).toBe(layer)
  expect(JSON.parse((await registry.send('GET /v2/_catalog')).body.toString())).toEqual({
    repositories: ['a'],
  })
})

test('an upload is ended', async () => {
  const { location } = await registry.client.beginUpload('a')
  expect(await statusOf(`DELETE ${location}`)).toBe(204)
  expect(await statusOf(`DELETE ${location}`)).toBe(404)
})

test('it takes a switch', async () => {
  await using closed = await HttpRegistry.start({ settings: { deleteEnabled: false } })
  await closed.client.pushImage('a', { tag: 'v1', image })
  for (const path of [`manifests/${manifest}`, 'manifests/v1', `blobs/${layer}`])
    expect((await closed.send(`DELETE /v2/a/${path}`)).status).toBe(405)
})
