/** Docker's "Image Manifest Version 2, Schema 1", as the registries of its time served it. */
import { expect, test } from 'vitest'
import { type Digest, digestOf, hexOf } from '../../src/core/digest.ts'
import { DEFAULT_POLICY } from '../../src/core/manifest/policy.ts'
import { MediaType } from '../../src/core/media-type.ts'
import { parseRepositoryName } from '../../src/core/reference.ts'
import { type Answer, errorsOf, HttpRegistry, refusal } from '../support/http-registry.ts'
import {
  keptSignature,
  newSigner,
  prettyJws,
  schema1Layers,
  schema1Payload,
  signatureOf,
  signedSchema1,
} from '../support/schema1.ts'

const policy = { ...DEFAULT_POLICY, schema1: true }
const signers = [newSigner('ES256'), newSigner('ES384'), newSigner('RS256')].sort((one, other) =>
  String(one.jwk.kid) < String(other.jwk.kid) ? -1 : 1,
)
const [signer] = signers as [ReturnType<typeof newSigner>]
const payload = schema1Payload()
const digest = digestOf(payload)
/** In the order in which libtrust writes them. */
const signatures = signers.map((one) => signatureOf(payload, one))
const document = prettyJws(payload, signatures)
const byTag = '/v2/a/manifests/latest'
const byDigest = `/v2/a/manifests/${digest}`

async function registryWithLayers(options: Parameters<typeof HttpRegistry.start>[0] = { policy }) {
  const registry = await HttpRegistry.start(options)
  for (const layer of schema1Layers) await registry.client.pushBlob('a', Buffer.from(layer))
  return registry
}

function put(
  registry: HttpRegistry,
  body: Uint8Array,
  { path = byTag, contentType = MediaType.dockerSchema1Signed as string | undefined } = {},
): Promise<Answer> {
  return registry.send(`PUT ${path}`, { body, headers: contentType ? { 'content-type': contentType } : {} })
}

async function expectNothingStored(registry: HttpRegistry): Promise<void> {
  for (const path of [byTag, byDigest]) expect((await registry.send(`HEAD ${path}`)).status).toBe(404)
  expect(await registry.registry.repository(parseRepositoryName('a')).signatures.get(digest)).toEqual([])
}

test('a push is answered with the digest of the payload', async () => {
  await using registry = await registryWithLayers()
  const { status, headers } = await put(registry, document)
  expect([status, headers['docker-content-digest'], headers.location]).toEqual([201, digest, byDigest])
})

test.each([
  ['tag', byTag],
  ['digest', byDigest],
])('by %s the same document comes back, with the digest of its payload', async (_name, path) => {
  await using registry = await registryWithLayers()
  await put(registry, document)
  const answer = await registry.send(`GET ${path}`)
  expect([answer.status, answer.body.toString()]).toEqual([200, document.toString()])
  const headers = {
    'content-type': MediaType.dockerSchema1Signed,
    'content-length': String(document.length),
    'docker-content-digest': digest,
    etag: `"${digest}"`,
  }
  expect(answer.headers).toMatchObject(headers)
  const head = await registry.send(`HEAD ${path}`)
  expect([head.status, head.body.length]).toEqual([200, 0])
  expect(head.headers).toMatchObject(headers)
  const known = await registry.send(`GET ${path}`, { headers: { 'if-none-match': digest } })
  expect(known.status).toBe(304)
})

test('it may be pushed by digest, which tags nothing', async () => {
  await using registry = await registryWithLayers()
  expect((await put(registry, document, { path: byDigest })).status).toBe(201)
  expect((await registry.send(`GET ${byDigest}`)).body).toEqual(document)
  expect((await registry.send(`GET ${byTag}`)).status).toBe(404)
})

test.each([undefined, 'application/json; charset=utf-8', MediaType.dockerSchema1])(
  'clients of its time sent other Content-Types too: %s',
  async (contentType) => {
    await using registry = await registryWithLayers()
    expect((await put(registry, document, { contentType })).status).toBe(201)
    expect((await registry.send(`GET ${byTag}`)).body).toEqual(document)
  },
)

test('signatures of several pushes are merged', async () => {
  await using registry = await registryWithLayers()
  for (const signature of signatures.toReversed()) {
    expect((await put(registry, prettyJws(payload, [signature]))).status).toBe(201)
  }
  const { body, headers } = await registry.send(`GET ${byTag}`)
  expect(body.toString()).toBe(document.toString())
  expect(headers['docker-content-digest']).toBe(digest)
})

test('it is pulled whatever the client accepts', async () => {
  await using registry = await registryWithLayers()
  await put(registry, document)
  for (const accept of ['*/*', MediaType.dockerManifest, MediaType.dockerSchema1Signed]) {
    expect((await registry.send(`GET ${byTag}`, { headers: { accept } })).body).toEqual(document)
  }
})

test('a document of that time, indented by nothing, is taken and given back', async () => {
  await using registry = await registryWithLayers()
  const compact = schema1Payload({}, 0)
  const body = Buffer.from(
    `${compact.toString().slice(0, -1)},"signatures":${JSON.stringify([signatureOf(compact, signer)])}}`,
  )
  expect((await put(registry, body)).status).toBe(201)
  expect((await registry.send(`GET ${byTag}`)).body).toEqual(body)
})

test('a signature that is wrong is refused, among good ones too, and nothing is stored', async () => {
  await using registry = await registryWithLayers()
  const forged = signatureOf(payload, signer, { signed: Buffer.from('another') })
  for (const list of [[forged], [signatureOf(payload, signer), forged]]) {
    const answer = await put(registry, prettyJws(payload, list))
    expect(refusal(answer)).toBe('400 MANIFEST_UNVERIFIED')
    expect(errorsOf(answer)[0]?.message).toMatch(/^signatures\[\d\] cannot be verified/)
  }
  await expectNothingStored(registry)
})

const { jwk } = signer
test.each([
  ['no signatures', payload, '400 MANIFEST_UNVERIFIED'],
  ['an empty list of them', prettyJws(payload, []), '400 MANIFEST_UNVERIFIED'],
  ['alg none', { header: { jwk, alg: 'none' } }, '400 MANIFEST_UNVERIFIED'],
  ['alg HS256', { header: { jwk, alg: 'HS256' } }, '400 MANIFEST_UNVERIFIED'],
  ['no key', { header: { alg: 'ES256' } }, '400 MANIFEST_UNVERIFIED'],
  [
    'a key of another type',
    { header: { jwk: { kty: 'oct', k: 'AA' }, alg: 'ES256' } },
    '400 MANIFEST_UNVERIFIED',
  ],
  ['a chain that is none', { header: { alg: 'ES256', x5c: ['AAAA'] } }, '400 MANIFEST_UNVERIFIED'],
  ['a length beyond its end', { protected: { formatLength: 1_000_000 } }, '400 MANIFEST_INVALID'],
  ['a tail that is no base64', { protected: { formatTail: '*' } }, '400 MANIFEST_INVALID'],
  ['members that are not signed', withMember(document), '400 MANIFEST_INVALID'],
])('a manifest with %s is refused and nothing is stored', async (_name, parts, expected) => {
  await using registry = await registryWithLayers()
  const body = Buffer.isBuffer(parts) ? parts : prettyJws(payload, [signatureOf(payload, signer, parts)])
  const answer = await put(registry, body)
  expect(refusal(answer)).toBe(expected)
  expect(errorsOf(answer)[0]?.message.length).toBeGreaterThan(15)
  await expectNothingStored(registry)
})

test('each layer that the repository lacks is named', async () => {
  await using registry = await HttpRegistry.start({ policy })
  await registry.client.pushBlob('b', Buffer.from(schema1Layers[0]))
  const answer = await put(registry, document)
  expect(refusal(answer)).toBe('400 MANIFEST_BLOB_UNKNOWN MANIFEST_BLOB_UNKNOWN')
  expect(errorsOf(answer).map(({ detail }) => detail)).toEqual(
    schema1Layers.map((name) => ({ digest: digestOf(Buffer.from(name)) })),
  )
})

test('its name and its tag must be those it is pushed to', async () => {
  await using registry = await registryWithLayers()
  for (const layer of schema1Layers) await registry.client.pushBlob('b', Buffer.from(layer))
  const byOther = (path: string) => put(registry, document, { path })
  expect(refusal(await byOther('/v2/b/manifests/latest'))).toBe('400 NAME_INVALID')
  expect(refusal(await byOther(`/v2/b/manifests/${digest}`))).toBe('400 NAME_INVALID')
  expect(refusal(await byOther('/v2/a/manifests/v2'))).toBe('400 TAG_INVALID')
  expect(refusal(await byOther(`${byDigest}?tag=latest&tag=v2`))).toBe('400 TAG_INVALID')
  await expectNothingStored(registry)
  expect((await byOther(`${byDigest}?tag=latest`)).status).toBe(201)
})

test('a digest in the path is that of the payload', async () => {
  await using registry = await registryWithLayers()
  const path = `/v2/a/manifests/${digestOf(document)}`
  expect(refusal(await put(registry, document, { path }))).toBe('400 DIGEST_INVALID')
})

test('where it is not switched on, a push is refused with the key that does, and what is stored is served', async () => {
  await using registry = await registryWithLayers()
  await put(registry, document)
  await using off = await HttpRegistry.start({ driver: registry.driver })
  const answer = await put(off, signedSchema1(schema1Payload(), signer))
  expect(refusal(answer)).toBe('400 MANIFEST_INVALID')
  expect(errorsOf(answer)[0]?.message).toContain('compatibility.schema1.enabled')
  expect((await off.send(`GET ${byTag}`)).body).toEqual(document)
})

test('a deleted one takes its signatures along', async () => {
  await using registry = await registryWithLayers()
  await put(registry, document)
  expect((await registry.send(`DELETE ${byDigest}`)).status).toBe(202)
  expect((await registry.send(`GET ${byTag}`)).status).toBe(404)
  const again = signedSchema1(payload, signer)
  await put(registry, again)
  expect((await registry.send(`GET ${byTag}`)).body).toEqual(again)
})

/** What Distribution 2.0 to 2.4 left on disk, written out in full. */
async function writeOldStorage(registry: HttpRegistry, kept: readonly Buffer[]): Promise<void> {
  const root = '/docker/registry/v2'
  const repository = `${root}/repositories/library/old`
  const revision = `${repository}/_manifests/revisions/sha256/${hexOf(oldDigest)}`
  const tag = `${repository}/_manifests/tags/v1`
  const blob = async (bytes: Uint8Array): Promise<Digest> => {
    const hex = hexOf(digestOf(bytes))
    await registry.driver.put(`${root}/blobs/sha256/${hex.slice(0, 2)}/${hex}/data`, bytes)
    return digestOf(bytes)
  }
  const link = (path: string, target: Digest) => registry.driver.put(`${path}/link`, Buffer.from(target))
  for (const layer of schema1Layers) {
    const stored = await blob(Buffer.from(layer))
    await link(`${repository}/_layers/sha256/${hexOf(stored)}`, stored)
  }
  await blob(oldPayload)
  await link(revision, oldDigest)
  for (const signature of kept) {
    const stored = await blob(signature)
    await link(`${revision}/signatures/sha256/${hexOf(stored)}`, stored)
  }
  await link(`${tag}/current`, oldDigest)
  await link(`${tag}/index/sha256/${hexOf(oldDigest)}`, oldDigest)
}

const oldPayload = schema1Payload({ name: 'library/old', tag: 'v1' })
const oldDigest = digestOf(oldPayload)

test('storage of 2015 is served, with every signature in it', async () => {
  await using registry = await HttpRegistry.start()
  const made = signers.map((one) => signatureOf(oldPayload, one))
  await writeOldStorage(registry, made.map(keptSignature))
  const { status, headers, body } = await registry.send('GET /v2/library/old/manifests/v1')
  expect([status, body.toString()]).toEqual([200, prettyJws(oldPayload, made).toString()])
  expect(headers).toMatchObject({
    'content-type': MediaType.dockerSchema1Signed,
    'docker-content-digest': oldDigest,
  })
  expect((await registry.send('GET /v2/library/old/tags/list')).body.toString()).toContain('"v1"')
})

test('storage of 2016 to 2023, which has no signatures, is served without', async () => {
  await using registry = await HttpRegistry.start()
  await writeOldStorage(registry, [])
  for (const reference of ['v1', oldDigest]) {
    const { status, headers, body } = await registry.send(`GET /v2/library/old/manifests/${reference}`)
    expect([status, body.toString()]).toEqual([200, oldPayload.toString()])
    expect(headers).toMatchObject({
      'content-type': MediaType.dockerSchema1,
      'content-length': String(oldPayload.length),
      'docker-content-digest': oldDigest,
    })
  }
})

function withMember(content: Buffer): Buffer {
  return Buffer.from(content.toString().replace(/\}$/, ', "layers": []}'))
}
