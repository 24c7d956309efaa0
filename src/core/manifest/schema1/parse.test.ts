import { describe, expect, it } from 'vitest'
import { descriptorOf, payloadOf } from '../../../../test/support/manifest-json.ts'
import { expectInvalidManifest, registryErrorOf } from '../../../../test/support/registry-error.ts'
import {
  newSigner,
  schema1Json,
  schema1Layers,
  schema1Payload,
  signedSchema1,
} from '../../../../test/support/schema1.ts'
import { digestOf } from '../../digest.ts'
import { MediaType } from '../../media-type.ts'
import { mediaTypeOf, parseManifest } from '../parse.ts'

const signer = newSigner('ES256')
const parse = (parts: Record<string, unknown>) => parseManifest(payloadOf(schema1Json(parts)))

describe('a manifest of schema 1', () => {
  it.each([undefined, '', 'application/json', MediaType.dockerSchema1, MediaType.dockerSchema1Signed])(
    'is its payload and its signatures, whatever its header: %s',
    (contentType) => {
      const payload = schema1Payload({ name: 'library/app', tag: 'v1' })
      const manifest = parseManifest(signedSchema1(payload, signer), contentType)
      expect(manifest.mediaType).toBe(MediaType.dockerSchema1)
      expect(manifest.payload).toEqual(payload)
      expect(manifest.signatures).toHaveLength(1)
      expect(manifest.madeFor).toEqual({ name: 'library/app', tag: 'v1' })
      expect(manifest.subject).toBeUndefined()
    },
  )

  it('needs its layers, in their order', () => {
    const references = parse({}).references()
    expect(references.map(({ descriptor }) => descriptor.digest)).toEqual(
      schema1Layers.map((name) => digestOf(Buffer.from(name))),
    )
    expect(references.every(({ kind, required }) => kind === 'blob' && required)).toBe(true)
  })

  it('without signatures, as it is stored, is parsed too', () => {
    const payload = schema1Payload()
    const manifest = parseManifest(payload)
    expect([manifest.mediaType, mediaTypeOf(payload)]).toEqual([
      MediaType.dockerSchema1,
      MediaType.dockerSchema1,
    ])
    expect(manifest.payload).toEqual(payload)
    expect(manifest.signatures).toEqual([])
  })

  it('with an empty list of signatures is not taken for one without', () => {
    expect(registryErrorOf(() => parse({ signatures: [] })).code).toBe('MANIFEST_UNVERIFIED')
  })

  it.each([
    [{ schemaVersion: undefined }, 'schemaVersion is missing'],
    [{ schemaVersion: 2 }, 'schemaVersion is not 1'],
    [{ schemaVersion: '1' }, 'schemaVersion is not 1'],
    [{ name: 5 }, 'name is not a string'],
    [{ tag: {} }, 'tag is not a string'],
    [{ fsLayers: null }, 'fsLayers is empty'],
    [{ fsLayers: [], history: [] }, 'fsLayers is empty'],
    [{ fsLayers: {} }, 'fsLayers is not an array'],
    [{ fsLayers: ['x', 'y'] }, 'fsLayers[0] is not an object'],
    [{ fsLayers: [{}, {}] }, 'fsLayers[0].blobSum is missing'],
    [{ fsLayers: [{ blobSum: 'tarsum.v1+sha256:00' }, {}] }, 'fsLayers[0].blobSum is not sha256:'],
    [{ history: undefined }, 'history is missing'],
    [{ history: [{ v1Compatibility: '{}' }] }, 'history has another length than fsLayers'],
    [{ history: ['x', 'y'] }, 'history[0] is not an object'],
    [{ history: [{}, {}] }, 'history[0].v1Compatibility is missing'],
    [{ history: [{ v1Compatibility: {} }, {}] }, 'history[0].v1Compatibility is not a string'],
    [{ config: descriptorOf('x') }, 'config does not belong in schema 1'],
    [{ layers: [] }, 'layers does not belong in schema 1'],
    [{ manifests: [] }, 'manifests does not belong in schema 1'],
  ])('is refused where a part is missing, of another type or of another kind: %j', (parts, message) => {
    expectInvalidManifest(
      () => parseManifest(payloadOf(schema1Json(parts)), MediaType.dockerSchema1),
      message,
    )
  })

  it('is not taken for another kind, nor another kind for it', () => {
    const { name: _, ...schema1 } = schema1Json()
    expectInvalidManifest(() => parseManifest(payloadOf(schema1), MediaType.ociManifest), 'schemaVersion')
    const docker = { ...schema1Json(), mediaType: MediaType.dockerManifest }
    expectInvalidManifest(
      () => parseManifest(payloadOf(docker), MediaType.dockerSchema1Signed),
      'mediaType is application/vnd.docker.distribution.manifest.v2+json, but the Content-Type is',
    )
  })

  it('may have any number of layers', () => {
    const layers = (count: number) => ({
      fsLayers: Array.from({ length: count }, () => ({ blobSum: digestOf(Buffer.from('x')) })),
      history: Array.from({ length: count }, () => ({ v1Compatibility: '{}' })),
    })
    expect(parse(layers(20_000)).references()).toHaveLength(20_000)
  })
})
