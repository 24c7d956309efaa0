/** The list of a manifest's signatures: docs/signatures.md. */
import { expect, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { DEFAULT_POLICY } from '../../src/core/manifest/policy.ts'
import { MediaType } from '../../src/core/media-type.ts'
import { signatureList } from '../../src/http/handlers/extension/lifecycle-answers.ts'
import { referrerPayload, subject } from '../contract/registry/referrer-support.ts'
import { described } from '../support/extension-answer.ts'
import { HttpRegistry, refusal } from '../support/http-registry.ts'
import { descriptorOf, indexJson, payloadOf } from '../support/manifest-json.ts'
import { newSigner, schema1Layers, schema1Payload, signedSchema1 } from '../support/schema1.ts'

const notationType = 'application/vnd.cncf.notary.signature'
const path = `/v2/some/name/_entrepot/signatures/${subject}`

/** @returns the payload of the manifest that carries the signature */
async function pushSignature(registry: HttpRegistry, name: string): Promise<Uint8Array> {
  for (const content of ['{}', name]) await registry.client.pushBlob('some/name', Buffer.from(content))
  const layers = [descriptorOf(name, { mediaType: 'application/cose' })]
  const body = referrerPayload(name, { artifactType: notationType, layers })
  const headers = { 'content-type': MediaType.ociManifest }
  const request = `PUT /v2/some/name/manifests/${digestOf(body)}`
  expect((await registry.send(request, { body, headers })).status).toBe(201)
  return body
}

test('every signature is listed, with what is known of it', async () => {
  await using registry = await HttpRegistry.start()
  const manifests = [await pushSignature(registry, 'one'), await pushSignature(registry, 'two')]
  const answer = await registry.send(`GET ${path}`)
  expect([answer.status, answer.headers['content-type']]).toEqual([200, 'application/json'])
  const { signatures, ...rest } = described(signatureList, answer)
  expect(rest).toEqual({ name: 'some/name', digest: subject })
  const expected = ['one', 'two'].map((name, index) => ({
    kind: 'notation',
    ...descriptorOf(name, { mediaType: 'application/cose' }),
    manifest: digestOf(manifests[index] as Uint8Array),
    annotations: { name },
    pushedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/),
  }))
  expected.sort((one, other) => (one.manifest < other.manifest ? -1 : 1))
  expect(signatures).toEqual(expected)
  const head = await registry.send(`HEAD ${path}`)
  expect([head.status, head.headers['content-type'], head.body.length]).toEqual([200, 'application/json', 0])
})

test('a manifest without signatures has an empty list; one that is not there has none', async () => {
  await using registry = await HttpRegistry.start()
  const body = payloadOf(indexJson({ manifests: [] }))
  const headers = { 'content-type': MediaType.ociIndex }
  await registry.send('PUT /v2/some/name/manifests/x', { body, headers })
  const digest = digestOf(body)
  const answer = await registry.send(`GET /v2/some/name/_entrepot/signatures/${digest}`)
  expect(JSON.parse(answer.body.toString())).toEqual({ name: 'some/name', digest, signatures: [] })
  for (const missing of [path, `/v2/nowhere/_entrepot/signatures/${digest}`]) {
    expect(refusal(await registry.send(`GET ${missing}`))).toBe('404 MANIFEST_UNKNOWN')
  }
})

test.each([
  ['/v2/a/_entrepot/signatures/latest', '400 DIGEST_INVALID'],
  [`/v2/A/_entrepot/signatures/${subject}`, '400 NAME_INVALID'],
  [`/v2/a/signatures/${subject}`, '404 UNSUPPORTED'],
  [`/v2/_entrepot/signatures/${subject}`, '404 UNSUPPORTED'],
  [`/v2/a/_other/signatures/${subject}`, '404 UNSUPPORTED'],
  [`/v2/a/_entrepot/other/${subject}`, '404 UNSUPPORTED'],
  [`/v2/a/b_entrepot/signatures/${subject}`, '404 UNSUPPORTED'],
])('%s is refused', async (wrong, expected) => {
  await using registry = await HttpRegistry.start()
  expect(refusal(await registry.send(`GET ${wrong}`))).toBe(expected)
})

test('those of a signed manifest of schema 1 are listed by themselves', async () => {
  const policy = { ...DEFAULT_POLICY, schema1: true }
  await using registry = await HttpRegistry.start({ policy })
  for (const layer of schema1Layers) await registry.client.pushBlob('a', Buffer.from(layer))
  const payload = schema1Payload()
  const signers = [newSigner('ES256'), newSigner('RS256')]
  const pushed = await registry.send('PUT /v2/a/manifests/latest', {
    body: signedSchema1(payload, ...signers),
    headers: { 'content-type': MediaType.dockerSchema1Signed },
  })
  expect(pushed.status).toBe(201)
  const answer = await registry.send(`GET /v2/a/_entrepot/signatures/${digestOf(payload)}`)
  const { signatures } = JSON.parse(answer.body.toString())
  expect(signatures).toHaveLength(2)
  for (const signature of signatures) {
    expect(signature).toEqual({
      kind: 'jws',
      mediaType: 'application/jose+json',
      digest: expect.stringMatching(/^sha256:[0-9a-f]{64}$/),
      size: expect.any(Number),
      annotations: {},
      pushedAt: expect.any(String),
    })
  }
})

test('a long list is sent as it is found', async () => {
  await using registry = await HttpRegistry.start()
  const names = Array.from({ length: 40 }, (_, number) => `signature ${number}`)
  for (const name of names) await pushSignature(registry, name)
  const answer = await registry.send(`GET ${path}`)
  expect(answer.headers).not.toHaveProperty('content-length')
  const { signatures } = JSON.parse(answer.body.toString()) as {
    signatures: { annotations: { name: string } }[]
  }
  expect(signatures.map(({ annotations }) => annotations.name).sort()).toEqual(names.sort())
})
