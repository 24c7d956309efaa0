/** Layers by their TarSums, as the registries and clients of 2014 and 2015 named them. */
import { gzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { digestOf, hexOf } from '../../src/core/digest.ts'
import { DEFAULT_POLICY } from '../../src/core/manifest/policy.ts'
import { MediaType } from '../../src/core/media-type.ts'
import { parseRepositoryName } from '../../src/core/reference.ts'
import { collect, GUARD } from '../gc/support.ts'
import { type Answer, errorsOf, HttpRegistry, refusal } from '../support/http-registry.ts'
import { newSigner, schema1Json, schema1Payload, signedSchema1 } from '../support/schema1.ts'
import { tarEntry, tarOf } from '../support/tar-entries.ts'
import { archives, tarSums } from '../support/tarsum-archives.ts'

const layer = archives['files and folders']
const [firstHex, hex] = tarSums['files and folders']
const tarSum = `tarsum.v1+sha256:${hex}`
const canonical = digestOf(layer)
const policy = { ...DEFAULT_POLICY, schema1: true, tarSums: true }
const enabled = { policy, settings: { tarSums: true } }
const layers = '/docker/registry/v2/repositories/a/_layers'
const link = `${layers}/tarsum/v1/sha256/${hex}/link`

/** A push in two requests, as Docker sent it. */
async function push(registry: HttpRegistry, body: Uint8Array, digest = tarSum): Promise<Answer> {
  const { headers } = await registry.send('POST /v2/a/blobs/uploads/')
  return registry.send(`PUT ${headers.location}?digest=${encodeURIComponent(digest)}`, { body })
}

async function textAt(registry: HttpRegistry, path: string): Promise<string> {
  return Buffer.from(await registry.driver.get(path)).toString()
}

test('an upload is finished by a TarSum, and its link lies where Distribution 2.0 put it', async () => {
  await using registry = await HttpRegistry.start(enabled)
  const answer = await push(registry, layer)
  expect([answer.status, answer.headers.location]).toEqual([201, `/v2/a/blobs/${tarSum}`])
  expect(await textAt(registry, link)).toBe(canonical)
  expect(await textAt(registry, `${layers}/sha256/${hexOf(canonical)}/link`)).toBe(canonical)
  for (const name of [tarSum, encodeURIComponent(tarSum), canonical]) {
    const { status, body } = await registry.send(`GET /v2/a/blobs/${name}`)
    expect([status, body.equals(layer)]).toEqual([200, true])
    const head = await registry.send(`HEAD /v2/a/blobs/${name}`)
    expect([head.status, head.headers['content-length']]).toEqual([200, String(layer.length)])
  }
})

test.each([
  ['tarsum+sha256', `tarsum+sha256:${firstHex}`, 'v0'],
  ['tarsum.dev+sha256', `tarsum.dev+sha256:${hex}`, 'dev'],
])('%s has a folder of its own', async (_name, digest, version) => {
  await using registry = await HttpRegistry.start(enabled)
  expect((await push(registry, layer, digest)).status).toBe(201)
  expect(await textAt(registry, `${layers}/tarsum/${version}/sha256/${hexOf(digest as never)}/link`)).toBe(
    canonical,
  )
})

test('a compressed layer has the TarSum of the archive in it, and chunks count', async () => {
  await using registry = await HttpRegistry.start(enabled)
  const compressed = gzipSync(layer)
  const { headers } = await registry.send('POST /v2/a/blobs/uploads/')
  const location = String(headers.location)
  await registry.send(`PATCH ${location}`, { body: compressed.subarray(0, 100) })
  await registry.send(`PATCH ${location}`, { body: compressed.subarray(100) })
  const digest = encodeURIComponent(tarSum)
  expect((await registry.send(`PUT ${location}?digest=${digest}`)).status).toBe(201)
  expect((await registry.send(`PUT ${location}?digest=${digest}`)).status).toBe(201) // repeated
  expect(await textAt(registry, link)).toBe(digestOf(compressed))
})

test('an upload in one request, and one without bytes', async () => {
  await using registry = await HttpRegistry.start(enabled)
  const once = await registry.send(`POST /v2/a/blobs/uploads/?digest=${encodeURIComponent(tarSum)}`, {
    body: layer,
  })
  expect(once.status).toBe(201)
  const none = `tarsum.v1+sha256:${tarSums.empty[1]}`
  expect((await push(registry, Buffer.alloc(0), none)).status).toBe(201)
  expect((await registry.send(`GET /v2/a/blobs/${none}`)).body.length).toBe(0)
})

test.each([
  ['another archive', archives['long names'], 'have another digest'],
  ['no archive', Buffer.alloc(1024, 'x'), 'is no tar archive'],
  ['a sparse file', tarOf(tarEntry({ name: 'a', type: 'S' })), 'has a sparse file'],
  ['an end too early', layer.subarray(0, 1600), 'is cut off'],
])('a push is refused and removed for %s', async (_name, body, problem) => {
  await using registry = await HttpRegistry.start(enabled)
  const answer = await push(registry, body)
  expect(refusal(answer)).toBe('400 DIGEST_INVALID')
  expect(errorsOf(answer)[0]?.message).toContain(problem)
  expect((await registry.send(`GET /v2/a/blobs/${tarSum}`)).status).toBe(404)
  for await (const { id } of registry.registry.uploads()) expect.unreachable(`the upload ${id} is left`)
})

test('a layer is mounted by its TarSum', async () => {
  await using registry = await HttpRegistry.start(enabled)
  await push(registry, layer)
  const query = `mount=${encodeURIComponent(tarSum)}&from=a`
  expect((await registry.send(`POST /v2/b/blobs/uploads/?${query}`)).status).toBe(201)
  for (const name of [tarSum, canonical])
    expect((await registry.send(`GET /v2/b/blobs/${name}`)).status).toBe(200)
})

test('a layer is deleted by all its names', async () => {
  await using registry = await HttpRegistry.start(enabled)
  for (const name of [tarSum, canonical]) {
    await push(registry, layer)
    expect((await registry.send(`DELETE /v2/a/blobs/${name}`)).status).toBe(202)
    for (const gone of [tarSum, canonical])
      expect((await registry.send(`HEAD /v2/a/blobs/${gone}`)).status).toBe(404)
    await expect(registry.driver.get(link)).rejects.toMatchObject({ code: 'PATH_NOT_FOUND' })
  }
})

test('a TarSum counts only beside the canonical link, which alone others delete', async () => {
  await using registry = await HttpRegistry.start(enabled)
  await registry.client.pushBlob('b', layer)
  await registry.driver.put(link, Buffer.from(canonical))
  expect((await registry.send(`GET /v2/a/blobs/${tarSum}`)).status).toBe(404)
})

test('by default TarSums are refused', async () => {
  await using registry = await HttpRegistry.start({ policy: { ...DEFAULT_POLICY, schema1: true } })
  await registry.client.pushBlob('a', layer)
  await registry.driver.put(link, Buffer.from(canonical))
  expect(refusal(await push(registry, layer))).toBe('400 DIGEST_INVALID')
  expect(refusal(await registry.send(`GET /v2/a/blobs/${tarSum}`))).toBe('400 DIGEST_INVALID')
  const mount = `POST /v2/b/blobs/uploads/?mount=${encodeURIComponent(tarSum)}&from=a`
  expect((await registry.send(mount)).status).toBe(202)
  const answer = await pushManifest(registry)
  expect(refusal(answer)).toBe('400 MANIFEST_INVALID')
  expect(errorsOf(answer)[0]?.message).toContain('compatibility.tarsum.enabled')
})

test('manifests are no TarSums', async () => {
  await using registry = await HttpRegistry.start(enabled)
  for (const path of [`manifests/${tarSum}`, `referrers/${tarSum}`])
    expect((await registry.send(`GET /v2/a/${path}`)).status).toBe(400)
})

const parts = {
  fsLayers: [{ blobSum: tarSum }],
  history: (schema1Json().history as unknown[]).slice(0, 1),
}
const payload = schema1Payload(parts)

function pushManifest(registry: HttpRegistry): Promise<Answer> {
  return registry.send('PUT /v2/a/manifests/latest', {
    body: signedSchema1(payload, newSigner('ES256')),
    headers: { 'content-type': MediaType.dockerSchema1Signed },
  })
}

test('a manifest names layers by TarSums that exist', async () => {
  await using registry = await HttpRegistry.start(enabled)
  expect(refusal(await pushManifest(registry))).toBe('400 MANIFEST_BLOB_UNKNOWN')
  await push(registry, layer)
  expect((await pushManifest(registry)).status).toBe(201)
  expect((await registry.send('GET /v2/a/manifests/latest')).status).toBe(200)
})

test.each([true, false])(
  'storage of that time is served, and the layers of its manifests are no garbage (TarSums enabled: %s)',
  async (tarSumsEnabled) => {
    const options = { policy: { ...policy, tarSums: tarSumsEnabled }, settings: { tarSums: tarSumsEnabled } }
    await using registry = await HttpRegistry.start({ ...options, collection: GUARD })
    const unused = archives['long names']
    for (const content of [layer, unused]) {
      const digest = digestOf(content)
      const path = `/docker/registry/v2/blobs/sha256/${hexOf(digest).slice(0, 2)}/${hexOf(digest)}/data`
      await registry.driver.put(path, content)
      await registry.driver.put(`${layers}/sha256/${hexOf(digest)}/link`, Buffer.from(digest))
    }
    await registry.driver.put(link, Buffer.from(canonical))
    const stored = registry.registry.repository(parseRepositoryName('a'))
    await storeManifest(registry)
    await collect(registry.registry)
    await collect(registry.registry)
    expect((await registry.send('GET /v2/a/manifests/latest')).body.equals(payload)).toBe(true)
    expect((await registry.send(`GET /v2/a/blobs/${canonical}`)).status).toBe(200)
    expect((await registry.send(`GET /v2/a/blobs/${tarSum}`)).status).toBe(tarSumsEnabled ? 200 : 400)
    expect(await stored.blobs.has(digestOf(unused))).toBe(false)
  },
)

/** The files of a manifest without its signature. */
async function storeManifest({ driver }: HttpRegistry): Promise<void> {
  const digest = digestOf(payload)
  const root = '/docker/registry/v2'
  const [manifests, name] = [`${root}/repositories/a/_manifests`, hexOf(digest)]
  await driver.put(`${root}/blobs/sha256/${name.slice(0, 2)}/${name}/data`, payload)
  for (const path of [
    `revisions/sha256/${name}/link`,
    `tags/latest/index/sha256/${name}/link`,
    'tags/latest/current/link',
  ])
    await driver.put(`${manifests}/${path}`, Buffer.from(digest))
}
