/** OCI Distribution Specification 1.1, "Pulling manifests", "Pushing manifests" and "Deleting tags"; Docker Registry
 *  HTTP API V2 where it differs. */
import { Readable } from 'node:stream'
import { expect, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { DEFAULT_POLICY } from '../../src/core/manifest/policy.ts'
import { MediaType } from '../../src/core/media-type.ts'
import { type Answer, errorsOf, HttpRegistry, refusal } from '../support/http-registry.ts'
import { artifactJson, descriptorOf, imageJson, indexJson, payloadOf } from '../support/manifest-json.ts'

const MIB = 1024 * 1024
const image = payloadOf(imageJson())
const digest = digestOf(image)
const byTag = '/v2/a/manifests/latest'
const byDigest = `/v2/a/manifests/${digest}`

/** A registry whose repository has the blobs that `imageJson` and `artifactJson` name. */
async function registryWithBlobs(options: Parameters<typeof HttpRegistry.start>[0] = {}) {
  const registry = await HttpRegistry.start(options)
  for (const name of ['config', 'layer one', 'layer two', 'sbom']) {
    await registry.client.pushBlob('a', Buffer.from(name))
  }
  return registry
}

async function registryWithImage() {
  const registry = await registryWithBlobs()
  expect((await put(registry, image)).status).toBe(201)
  return registry
}

interface PutParts {
  readonly path?: string
  readonly contentType?: string
}

function put(
  registry: HttpRegistry,
  body: Uint8Array | string | Readable,
  { path = byTag, contentType = MediaType.ociManifest }: PutParts = {},
): Promise<Answer> {
  return registry.send(`PUT ${path}`, { body, headers: { 'content-type': contentType } })
}

/** Pushes an image for each entry that `indexJson` and `dockerList` name. */
async function pushChildren(registry: HttpRegistry): Promise<{ amd64: Uint8Array; arm64: Uint8Array }> {
  const [amd64, arm64] = ['amd64', 'arm64'].map((name) =>
    payloadOf(imageJson({ mediaType: MediaType.dockerManifest, annotations: { name } })),
  ) as [Uint8Array, Uint8Array]
  for (const child of [amd64, arm64]) {
    const path = `/v2/a/manifests/${digestOf(child)}`
    expect((await put(registry, child, { path, contentType: MediaType.dockerManifest })).status).toBe(201)
  }
  return { amd64, arm64 }
}

function dockerList(children: Record<string, Uint8Array>): Uint8Array {
  const manifests = Object.entries(children).map(([architecture, child]) => ({
    mediaType: MediaType.dockerManifest,
    digest: digestOf(child),
    size: child.length,
    platform: { os: 'linux', architecture },
  }))
  return payloadOf({ schemaVersion: 2, mediaType: MediaType.dockerManifestList, manifests })
}

test('a push answers with where the manifest is, by its digest', async () => {
  await using registry = await registryWithBlobs()
  const { status, headers, body } = await put(registry, image)
  expect([status, body.length]).toEqual([201, 0])
  expect(headers).toMatchObject({ location: byDigest, 'docker-content-digest': digest })
})

test.each([
  ['tag', byTag],
  ['digest', byDigest],
])('by %s it comes back byte for byte', async (_name, path) => {
  await using registry = await registryWithImage()
  const answer = await registry.send(`GET ${path}`)
  expect(answer.status).toBe(200)
  expect(answer.body).toEqual(image)
  expect(answer.headers).toMatchObject({
    'content-type': MediaType.ociManifest,
    'content-length': String(image.length),
    'docker-content-digest': digest,
    etag: `"${digest}"`,
  })
  const head = await registry.send(`HEAD ${path}`)
  expect([head.status, head.body.length]).toEqual([200, 0])
  expect(head.headers).toMatchObject({
    'content-type': MediaType.ociManifest,
    'content-length': String(image.length),
    'docker-content-digest': digest,
  })
})

test('its white space and the order of its fields are kept', async () => {
  await using registry = await registryWithBlobs()
  const { layers, ...rest } = imageJson()
  const odd = Buffer.from(`\n ${JSON.stringify({ layers, 'x-own': 'ü', ...rest }, null, '\t')}\r\n`)
  expect((await put(registry, odd)).status).toBe(201)
  expect((await registry.send(`GET ${byTag}`)).body).toEqual(odd)
})

test('it may come without a length', async () => {
  await using registry = await registryWithBlobs()
  expect((await put(registry, Readable.from([image]))).status).toBe(201)
  expect((await registry.send(`GET ${byTag}`)).body).toEqual(image)
})

test.each([
  ['quoted', `"${digest}"`],
  ['bare', digest],
])('a client that has it is told so: If-None-Match %s', async (_name, etag) => {
  await using registry = await registryWithImage()
  for (const request of [`GET ${byTag}`, `HEAD ${byDigest}`]) {
    const answer = await registry.send(request, { headers: { 'if-none-match': etag } })
    expect([answer.status, answer.body.length]).toEqual([304, 0])
    expect(answer.headers.etag).toBe(`"${digest}"`)
  }
})

test.each([undefined, '', '*/*', 'application/json', 'application/*', MediaType.dockerManifest, 'text/html'])(
  'what is stored is what is sent: Accept %s',
  async (accept) => {
    await using registry = await registryWithImage()
    const answer = await registry.send(`GET ${byTag}`, { headers: accept === undefined ? {} : { accept } })
    expect([answer.status, answer.headers['content-type']]).toEqual([200, MediaType.ociManifest])
    expect(answer.body).toEqual(image)
  },
)

test('a Content-Type is sent back without its parameters', async () => {
  await using registry = await registryWithBlobs()
  expect(
    (await put(registry, image, { contentType: `${MediaType.ociManifest}; charset=utf-8` })).status,
  ).toBe(201)
  expect((await registry.send(`GET ${byTag}`)).headers['content-type']).toBe(MediaType.ociManifest)
})

test.each([
  ['a Docker image', MediaType.dockerManifest, imageJson({ mediaType: MediaType.dockerManifest })],
  ['an OCI image', MediaType.ociManifest, imageJson()],
  ['an OCI image that does not say so', MediaType.ociManifest, imageJson({ mediaType: undefined })],
  ['an OCI index', MediaType.ociIndex, indexJson({ manifests: [] })],
  [
    'a Docker list',
    MediaType.dockerManifestList,
    indexJson({ mediaType: MediaType.dockerManifestList, manifests: [] }),
  ],
  ['an OCI artifact', MediaType.ociArtifact, artifactJson()],
])('%s is served as what it is', async (_name, mediaType, json) => {
  await using registry = await registryWithBlobs()
  expect((await put(registry, payloadOf(json), { contentType: mediaType })).status).toBe(201)
  expect((await registry.send(`GET ${byTag}`)).headers['content-type']).toBe(mediaType)
})

test('a client from before manifest lists gets the image for linux/amd64, by tag only', async () => {
  await using registry = await registryWithBlobs()
  const children = await pushChildren(registry)
  const list = dockerList({ arm64: children.arm64, amd64: children.amd64 })
  await put(registry, list, { contentType: MediaType.dockerManifestList })
  const get = (path: string, accept: string) => registry.send(`GET ${path}`, { headers: { accept } })

  const old = await get(byTag, `${MediaType.dockerManifest}, ${MediaType.dockerSchema1}`)
  expect(old.body).toEqual(children.amd64)
  expect(old.headers).toMatchObject({
    'content-type': MediaType.dockerManifest,
    'docker-content-digest': digestOf(children.amd64),
    etag: `"${digestOf(children.amd64)}"`,
  })
  const listPath = `/v2/a/manifests/${digestOf(list)}`
  expect((await get(listPath, MediaType.dockerManifest)).body).toEqual(list)
  expect((await get(byTag, `${MediaType.dockerManifest}, ${MediaType.dockerManifestList}`)).body).toEqual(
    list,
  )
  for (const wildcard of ['*/*', 'application/*', '*/*;q=0.1']) {
    expect((await get(byTag, wildcard)).body).toEqual(list)
    expect((await get(byTag, `${MediaType.dockerManifest}, ${wildcard}`)).body).toEqual(list)
  }
  const without = `${MediaType.dockerManifest}, ${MediaType.dockerManifestList};q=0`
  expect((await get(byTag, without)).body).toEqual(children.amd64)
})

test('a client from before manifest lists is told when there is no linux/amd64', async () => {
  await using registry = await registryWithBlobs()
  const { arm64 } = await pushChildren(registry)
  await put(registry, dockerList({ arm64 }), { contentType: MediaType.dockerManifestList })
  const headers = { accept: MediaType.dockerManifest }
  expect(refusal(await registry.send(`GET ${byTag}`, { headers }))).toBe('404 MANIFEST_UNKNOWN')
})

function imageOfBytes(size: number): Uint8Array {
  const empty = payloadOf(imageJson({ annotations: { filler: '' } }))
  return payloadOf(imageJson({ annotations: { filler: 'x'.repeat(size - empty.length) } }))
}

test('4 MiB pass, one byte more does not', async () => {
  await using registry = await registryWithBlobs()
  expect((await put(registry, imageOfBytes(4 * MIB))).status).toBe(201)
  expect((await registry.send(`GET ${byTag}`)).body).toHaveLength(4 * MIB)
  const larger = imageOfBytes(4 * MIB + 1)
  expect(refusal(await put(registry, larger))).toBe('413 MANIFEST_INVALID')
  expect(refusal(await put(registry, Readable.from([larger])))).toBe('413 MANIFEST_INVALID')
  expect((await registry.send(`HEAD /v2/a/manifests/${digestOf(larger)}`)).status).toBe(404)
})

const nested = (levels: number) => '['.repeat(levels) + ']'.repeat(levels)

test.each([
  ['of another media type than it says', imageJson({ mediaType: MediaType.dockerManifest })],
  ['that is an image and an index', imageJson({ manifests: [] })],
  ['that is an index with layers', { ...indexJson(), mediaType: MediaType.ociManifest, layers: [] }],
  ['of schema 1', { schemaVersion: 1, fsLayers: [], signatures: [] }],
  ['without a config', imageJson({ config: undefined })],
  ['without a list of layers', imageJson({ layers: undefined })],
  ['of another schema version', imageJson({ schemaVersion: 3 })],
  ['with a digest that is none', imageJson({ layers: [descriptorOf('x', { digest: 'sha256:12' })] })],
  ['with a negative size', imageJson({ layers: [descriptorOf('x', { size: -1 })] })],
  ['with a media type that breaks a header', imageJson({ mediaType: 'a/b\r\nx: y' })],
  ['that is a list', []],
  ['that is null', null],
])('a manifest %s is refused', async (_name, json) => {
  await using registry = await registryWithBlobs()
  const answer = await put(registry, payloadOf(json))
  expect(refusal(answer)).toBe('400 MANIFEST_INVALID')
  expect(errorsOf(answer)[0]?.message).not.toBe('')
  expect((await registry.send(`HEAD ${byTag}`)).status).toBe(404)
})

test.each([
  ['nothing', ''],
  ['no JSON', '{"schemaVersion":2,'],
  ['no UTF-8', Buffer.from([0x7b, 0x22, 0xff, 0x22, 0x3a, 0x31, 0x7d])],
  ['65 levels', payloadOf(imageJson({ annotations: JSON.parse(nested(64)) }))],
  ['a bomb of brackets', '['.repeat(100_000)],
])('a manifest of %s is refused', async (_name, body) => {
  await using registry = await registryWithBlobs()
  expect(refusal(await put(registry, body))).toBe('400 MANIFEST_INVALID')
})

test('64 levels and many layers are no bomb', async () => {
  await using registry = await registryWithBlobs()
  const json = imageJson({
    layers: Array.from({ length: 20_000 }, () => descriptorOf('layer one')),
    annotations: JSON.parse(nested(63)),
  })
  expect((await put(registry, payloadOf(json))).status).toBe(201)
})

test.each(['image/png', 'application/vnd.docker.distribution.manifest.v1+prettyjws', 'not a type'])(
  'a Content-Type that is no manifest is refused: %s',
  async (contentType) => {
    await using registry = await registryWithBlobs()
    expect(refusal(await put(registry, image, { contentType }))).toBe('400 MANIFEST_INVALID')
  },
)

test('everything that is missing is named, each in an error of its own', async () => {
  await using registry = await registryWithBlobs()
  const missing = ['one', 'two'].map((name) => descriptorOf(name))
  const config = descriptorOf('no config')
  const answer = await put(
    registry,
    payloadOf(imageJson({ config, layers: [descriptorOf('layer one'), ...missing] })),
  )
  expect(answer.status).toBe(400)
  expect(errorsOf(answer)).toMatchObject(
    [config, ...missing].map((descriptor) => ({
      code: 'MANIFEST_BLOB_UNKNOWN',
      detail: { digest: descriptor.digest },
    })),
  )
  expect((await registry.send(`HEAD ${byTag}`)).status).toBe(404)
})

test("another repository's blobs do not count", async () => {
  await using registry = await registryWithBlobs()
  const answer = await put(registry, image, { path: '/v2/b/manifests/latest' })
  expect(errorsOf(answer).map(({ code }) => code)).toEqual(Array(3).fill('MANIFEST_BLOB_UNKNOWN'))
})

test('an index needs its manifests, and blobs are none', async () => {
  await using registry = await registryWithBlobs()
  const contentType = MediaType.ociIndex
  const unknown = await put(registry, payloadOf(indexJson()), { contentType })
  expect(refusal(unknown)).toBe('400 MANIFEST_BLOB_UNKNOWN MANIFEST_BLOB_UNKNOWN')
  const ofBlob = indexJson({ manifests: [descriptorOf('layer one', { mediaType: MediaType.ociManifest })] })
  expect(refusal(await put(registry, payloadOf(ofBlob), { contentType }))).toBe('400 MANIFEST_BLOB_UNKNOWN')
  const children = await pushChildren(registry)
  const list = dockerList(children)
  expect((await put(registry, list, { contentType: MediaType.dockerManifestList })).status).toBe(201)
})

test('a subject need not be there', async () => {
  await using registry = await registryWithBlobs()
  const subject = descriptorOf('absent', { mediaType: MediaType.ociManifest })
  expect((await put(registry, payloadOf(imageJson({ subject })))).status).toBe(201)
})

const foreign = (url: string) =>
  payloadOf(
    imageJson({
      layers: [
        descriptorOf('foreign', {
          mediaType: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
          urls: [url],
        }),
      ],
    }),
  )

test('a layer with an allowed URL need not be there', async () => {
  const urls = { allow: [/^https:\/\/layers\.example\//], deny: [/secret/] }
  await using registry = await registryWithBlobs({ policy: { ...DEFAULT_POLICY, urls } })
  expect((await put(registry, foreign('https://layers.example/x'))).status).toBe(201)
  for (const url of ['https://layers.example/secret', 'https://other.example/x']) {
    expect(refusal(await put(registry, foreign(url)))).toBe('400 MANIFEST_INVALID')
  }
})

test('without a policy any web address will do, and nothing else', async () => {
  await using registry = await registryWithBlobs()
  expect((await put(registry, foreign('https://layers.example/x'))).status).toBe(201)
  expect(refusal(await put(registry, foreign('file:///etc/passwd')))).toBe('400 MANIFEST_INVALID')
})

test.each([
  ['none', 'none' as const, 201],
  ['another platform', { list: [{ os: 'windows', architecture: 'amd64' }] }, 201],
  ['one of its platforms', { list: [{ os: 'linux', architecture: 'amd64' }] }, 400],
])('an index may lack what validation does not demand: %s', async (_name, platforms, status) => {
  await using registry = await registryWithBlobs({ policy: { ...DEFAULT_POLICY, platforms } })
  const answer = await put(registry, payloadOf(indexJson()), { contentType: MediaType.ociIndex })
  expect(answer.status).toBe(status)
})

test('a push by digest has exactly that digest, and no tag', async () => {
  await using registry = await registryWithBlobs()
  const answer = await put(registry, image, { path: byDigest })
  expect([answer.status, answer.headers['docker-content-digest']]).toEqual([201, digest])
  expect(answer.headers['oci-tag']).toBeUndefined()
  expect(await registry.client.tags('a')).toEqual([])
  const wrong = `/v2/a/manifests/${digestOf(Buffer.from('other'))}`
  expect(refusal(await put(registry, image, { path: wrong }))).toBe('400 DIGEST_INVALID')
})

test('a push by digest may bring its tags', async () => {
  await using registry = await registryWithBlobs()
  using connection = await registry.connect()
  connection.writeHead(
    `PUT ${byDigest}?tag=one&tag=two&tag=one HTTP/1.1`,
    'Host: localhost',
    `Content-Type: ${MediaType.ociManifest}`,
    `Content-Length: ${image.length}`,
  )
  connection.write(image)
  const answer = await connection.until(/\r\n\r\n/)
  expect(answer).toMatch(/^HTTP\/1\.1 201 /)
  expect(answer.match(/^oci-tag: .*$/gim)).toEqual(['oci-tag: one', 'oci-tag: two'])
  expect(await registry.client.tags('a')).toEqual(['one', 'two'])
})

test('a push whose tag parameter is no tag changes nothing', async () => {
  await using registry = await registryWithBlobs()
  const answer = await put(registry, image, { path: `${byDigest}?tag=good&tag=-bad` })
  expect(refusal(answer)).toBe('400 TAG_INVALID')
  expect((await registry.send(`HEAD ${byDigest}`)).status).toBe(404)
})

test('a tag goes by the digest that it was last pushed by', async () => {
  await using registry = await registryWithImage()
  const shown = async () => (await registry.send(`HEAD ${byTag}`)).headers['docker-content-digest']
  expect(await shown()).toBe(digest)
  const longDigest = digestOf(image, 'sha512')
  const tag = byTag.split('/').at(-1)
  const pushed = await put(registry, image, { path: `/v2/a/manifests/${longDigest}?tag=${tag}` })
  expect(pushed.status).toBe(201)
  expect(await shown()).toBe(longDigest)
})

test('a manifest by its sha512 is served under both names', async () => {
  await using registry = await registryWithBlobs()
  const longDigest = digestOf(image, 'sha512')
  const path = `/v2/a/manifests/${longDigest}`
  const pushed = await put(registry, image, { path: `${path}?tag=long` })
  expect(pushed.headers).toMatchObject({ location: path, 'docker-content-digest': longDigest })
  const answer = await registry.send(`GET ${path}`)
  expect([answer.body, answer.headers['docker-content-digest']]).toEqual([Buffer.from(image), longDigest])
  expect((await registry.send('GET /v2/a/manifests/long')).body).toEqual(image)
  expect((await registry.send(`GET ${byDigest}`)).body).toEqual(image)
})

test('a tag can be moved, and what it named before stays', async () => {
  await using registry = await registryWithImage()
  const newer = payloadOf(imageJson({ annotations: { version: '2' } }))
  await put(registry, newer)
  expect((await registry.send(`GET ${byTag}`)).body).toEqual(newer)
  expect((await registry.send(`GET ${byDigest}`)).body).toEqual(image)
})

test.each([
  ['.hidden', '400 TAG_INVALID'],
  ['a'.repeat(129), '400 TAG_INVALID'],
  ['sha256:12', '400 DIGEST_INVALID'],
  [`sha256:${'A'.repeat(64)}`, '400 DIGEST_INVALID'],
  [`md5:${'0'.repeat(32)}`, '400 DIGEST_INVALID'],
])('a reference that is none is refused: %.20s', async (reference, expected) => {
  await using registry = await registryWithBlobs()
  const path = `/v2/a/manifests/${reference}`
  expect(refusal(await put(registry, image, { path }))).toBe(expected)
  expect(refusal(await registry.send(`GET ${path}`))).toBe(expected)
  expect(refusal(await registry.send(`DELETE ${path}`))).toBe(expected)
})

test('the longest tag and the longest name are good', async () => {
  await using registry = await HttpRegistry.start()
  const name = 'a'.repeat(255)
  for (const blob of ['config', 'layer one', 'layer two']) {
    await registry.client.pushBlob(name, Buffer.from(blob))
  }
  const path = `/v2/${name}/manifests/${'T'.repeat(128)}`
  expect((await put(registry, image, { path })).status).toBe(201)
  expect((await registry.send(`GET ${path}`)).body).toEqual(image)
  expect(refusal(await registry.send(`GET /v2/a${name}/manifests/x`))).toBe('400 NAME_INVALID')
})

test('what is not there is unknown, in a repository that is and in one that is not', async () => {
  await using registry = await registryWithImage()
  for (const path of [
    '/v2/a/manifests/other',
    `/v2/a/manifests/${digestOf(Buffer.from(''))}`,
    '/v2/b/manifests/x',
  ]) {
    expect(refusal(await registry.send(`GET ${path}`))).toBe('404 MANIFEST_UNKNOWN')
    expect((await registry.send(`HEAD ${path}`)).status).toBe(404)
    expect(refusal(await registry.send(`DELETE ${path}`))).toBe('404 MANIFEST_UNKNOWN')
  }
})

test('deleted by digest it goes with every tag that names it', async () => {
  await using registry = await registryWithImage()
  await put(registry, image, { path: '/v2/a/manifests/second' })
  await put(registry, payloadOf(imageJson({ annotations: {} })), { path: '/v2/a/manifests/other' })
  expect((await registry.send(`DELETE ${byDigest}`)).status).toBe(202)
  expect(await registry.client.tags('a')).toEqual(['other'])
  expect(refusal(await registry.send(`GET ${byDigest}`))).toBe('404 MANIFEST_UNKNOWN')
  expect(refusal(await registry.send(`DELETE ${byDigest}`))).toBe('404 MANIFEST_UNKNOWN')
})

test('deleted by tag it loses that tag only', async () => {
  await using registry = await registryWithImage()
  await put(registry, image, { path: '/v2/a/manifests/second' })
  expect((await registry.send(`DELETE ${byTag}`)).status).toBe(202)
  expect(await registry.client.tags('a')).toEqual(['second'])
  expect((await registry.send(`GET ${byDigest}`)).body).toEqual(image)
})

test('deleting can be switched off', async () => {
  await using registry = await registryWithBlobs({ settings: { deleteEnabled: false } })
  await put(registry, image)
  for (const path of [byTag, byDigest]) {
    const answer = await registry.send(`DELETE ${path}`)
    expect([refusal(answer), answer.headers.allow]).toEqual(['405 UNSUPPORTED', 'GET, HEAD, PUT'])
  }
  expect((await registry.send(`GET ${byTag}`)).body).toEqual(image)
})

test('a payload that was damaged on storage is not served; pushing it again heals it', async () => {
  await using registry = await registryWithImage()
  const hex = digest.slice('sha256:'.length)
  const file = `/docker/registry/v2/blobs/sha256/${hex.slice(0, 2)}/${hex}/data`
  await registry.driver.put(file, Buffer.from(image).fill('x', 20, 30))
  await using restarted = await HttpRegistry.start({ driver: registry.driver })
  expect(refusal(await restarted.send(`GET ${byDigest}`))).toBe('404 MANIFEST_UNKNOWN')
  expect((await put(restarted, image)).status).toBe(201)
  expect((await restarted.send(`GET ${byDigest}`)).body).toEqual(image)
})

test('a hundred tags are set at once, and no more', async () => {
  await using registry = await HttpRegistry.start()
  for (const content of ['config', 'layer one', 'layer two']) {
    await registry.client.pushBlob('a', Buffer.from(content))
  }
  const image = payloadOf(imageJson())
  const push = (count: number) => {
    const tags = Array.from({ length: count }, (_, index) => `tag=t${index}`).join('&')
    return put(registry, image, { path: `/v2/a/manifests/${digestOf(image)}?${tags}` })
  }
  expect(refusal(await push(101))).toBe('414 TAG_INVALID')
  expect(await registry.client.tags('a').catch(() => [])).toEqual([])
  expect((await push(100)).status).toBe(201)
  expect(await registry.client.tags('a')).toHaveLength(100)
})
