import { describe, expect, it } from 'vitest'
import {
  artifactJson,
  descriptorOf,
  imageJson,
  indexJson,
  layerType,
  payloadOf,
} from '../../../test/support/manifest-json.ts'
import { expectInvalidManifest } from '../../../test/support/registry-error.ts'
import { MediaType, NON_DISTRIBUTABLE_LAYERS } from '../media-type.ts'
import { mediaTypeOf, parseManifest } from './parse.ts'

const parse = (json: unknown, contentType?: string) => parseManifest(payloadOf(json), contentType)
const dockerImage = (parts = {}) => imageJson({ mediaType: MediaType.dockerManifest, ...parts })
const dockerList = (parts = {}) => indexJson({ mediaType: MediaType.dockerManifestList, ...parts })

describe('a manifest', () => {
  it.each([
    ['a Docker image', dockerImage(), MediaType.dockerManifest],
    ['a Docker list', dockerList(), MediaType.dockerManifestList],
    ['an OCI image', imageJson(), MediaType.ociManifest],
    ['an OCI index', indexJson(), MediaType.ociIndex],
    ['an OCI artifact', artifactJson(), MediaType.ociArtifact],
  ])('of each kind is taken, with its header or without: %s', (_, json, mediaType) => {
    for (const contentType of [mediaType, undefined, '', 'application/json', `${mediaType}; charset=utf-8`]) {
      expect(parse(json, contentType).mediaType).toBe(mediaType)
    }
    expect(mediaTypeOf(payloadOf(json))).toBe(mediaType)
  })

  it('of an image refers to its config and its layers, in that order', () => {
    for (const json of [imageJson(), dockerImage()]) {
      const references = parse(json).references()
      expect(references.map(({ descriptor }) => descriptor)).toEqual([json.config, ...(json.layers as [])])
      for (const { kind, required } of references) expect([kind, required]).toEqual(['blob', true])
    }
  })

  it('of an index refers to manifests and says for which platform', () => {
    const references = parse(indexJson()).references()
    expect(references.map(({ kind, platform }) => ({ kind, platform }))).toEqual([
      { kind: 'manifest', platform: { os: 'linux', architecture: 'amd64', variant: undefined } },
      { kind: 'manifest', platform: { os: 'linux', architecture: 'arm64', variant: 'v8' } },
    ])
  })

  it('of an index may refer to what is no manifest known here', () => {
    const layer = descriptorOf('cache', { mediaType: layerType })
    const ofSchema1 = descriptorOf('old', { mediaType: MediaType.dockerSchema1Signed })
    const references = parse(indexJson({ manifests: [layer, ofSchema1] })).references()
    expect(references.map(({ kind }) => kind)).toEqual(['either', 'manifest'])
  })

  it('of an artifact refers to its blobs, if it has any', () => {
    expect(
      parse(artifactJson())
        .references()
        .map(({ kind }) => kind),
    ).toEqual(['blob'])
    expect(parse(artifactJson({ blobs: undefined })).references()).toEqual([])
  })

  it('keeps its payload, and computes its references once', () => {
    const payload = payloadOf(imageJson())
    const manifest = parseManifest(payload)
    expect(manifest.payload).toBe(payload)
    expect(manifest.references()).toBe(manifest.references())
  })

  it('does not need layers that are not distributed', () => {
    const urls = ['https://example.com/layer']
    const layers = [...NON_DISTRIBUTABLE_LAYERS].map((mediaType) =>
      descriptorOf(mediaType, { mediaType, urls }),
    )
    const references = parse(imageJson({ layers })).references().slice(1)
    expect(references).toHaveLength(4)
    expect(references.every(({ required }) => !required)).toBe(true)
  })

  it.each([undefined, null, []])('needs layers that are not distributed and name no URL: %j', (urls) => {
    for (const mediaType of NON_DISTRIBUTABLE_LAYERS) {
      const [, layer] = parse(
        imageJson({ layers: [descriptorOf('layer', { mediaType, urls })] }),
      ).references()
      expect(layer).toMatchObject({ required: true })
    }
  })

  it.each([
    'application/vnd.dev.sigstore.bundle+json;version=0.2',
    'text/plain; charset=utf-8',
    'a/b ; c="d \\" e";f=g',
  ])('may have content of a type with parameters: %s', (mediaType) => {
    const layers = [descriptorOf('layer', { mediaType })]
    expect(parse(imageJson({ layers })).references()[1]?.descriptor.mediaType).toBe(mediaType)
  })

  it.each(['a/b;', 'a/b;c', 'a/b;c=d\r\nx: y', 'a/b;c="d', 'a/b c=d', `a/b;c=${'d'.repeat(255)}`])(
    'has no content of a malformed type: %j',
    (mediaType) => {
      const layers = [descriptorOf('layer', { mediaType })]
      expectInvalidManifest(() => parse(imageJson({ layers })), 'is not a media type')
    },
  )

  it.each([
    ['of an image', () => ({ ...imageJson(), Layers: [] }), 'Layers differs from layers'],
    ['of an image, with the long s', () => ({ ...imageJson(), 'layer\u017f': [] }), 'differs from layers'],
    ['of another kind', () => ({ ...imageJson(), MANIFESTS: [] }), 'MANIFESTS differs from manifests'],
    ['of an index', () => indexJson({ mediatype: 'x' }), 'mediatype differs from mediaType'],
    [
      'of a layer',
      () => imageJson({ layers: [descriptorOf('x', { Digest: 'x' })] }),
      'layers[0].Digest differs from digest',
    ],
    [
      'of a subject',
      () => imageJson({ subject: descriptorOf('x', { SIZE: 1 }) }),
      'subject.SIZE differs from size',
    ],
    [
      'of a platform',
      () =>
        indexJson({
          manifests: [descriptorOf('x', { platform: { os: 'linux', OS: 'x', architecture: '' } })],
        }),
      'manifests[0].platform.OS differs from os',
    ],
  ])('has no key that is another but for its case: %s', (_, json, problem) => {
    expectInvalidManifest(() => parse(json()), problem)
  })

  it('needs its other layers, whatever addresses they have', () => {
    const urls = ['https://example.com/layer']
    const [, layer] = parse(imageJson({ layers: [descriptorOf('layer', { urls })] })).references()
    expect(layer).toMatchObject({ required: true, urls })
  })

  it('has a subject where its kind does', () => {
    const subject = descriptorOf('subject', { mediaType: MediaType.ociManifest })
    for (const json of [imageJson({ subject }), indexJson({ subject }), artifactJson({ subject })]) {
      expect(parse(json).subject).toEqual(subject)
    }
    expect(parse(dockerImage({ subject })).subject).toBeUndefined()
    expect(parse(imageJson()).subject).toBeUndefined()
  })

  it('may have lists that an encoder in Go wrote as null', () => {
    expect(parse(imageJson({ layers: null, subject: null })).references()).toHaveLength(1)
    expect(parse(indexJson({ manifests: null })).references()).toEqual([])
    const layers = [descriptorOf('layer', { urls: null, platform: null, annotations: null })]
    expect(parse(imageJson({ layers })).references()[1]).toMatchObject({ urls: [], platform: undefined })
  })

  it('may have fields that are not known here', () => {
    const layers = [descriptorOf('layer', { data: '!', annotations: { a: 'b' }, later: [1] })]
    expect(parse(imageJson({ layers, artifactType: 'a/b', later: { x: 1 } })).references()).toHaveLength(2)
  })
})

describe('the kind of a manifest', () => {
  it.each([
    ['an index', indexJson({ mediaType: undefined }), MediaType.ociIndex],
    ['an image', imageJson({ mediaType: undefined }), MediaType.ociManifest],
    ['an image, whose media type is empty', imageJson({ mediaType: '' }), MediaType.ociManifest],
  ])('is taken from the shape where OCI lets it be left out: %s', (_, json, mediaType) => {
    expect(parse(json).mediaType).toBe(mediaType)
    expect(parse(json, mediaType).mediaType).toBe(mediaType)
    expect(mediaTypeOf(payloadOf(json))).toBe(mediaType)
  })

  it.each([
    ['a Docker image', dockerImage({ mediaType: undefined }), MediaType.dockerManifest],
    ['a Docker list', dockerList({ mediaType: undefined }), MediaType.dockerManifestList],
    ['an artifact', artifactJson({ mediaType: undefined }), MediaType.ociArtifact],
  ])('must be stated by %s', (_, json, contentType) => {
    expectInvalidManifest(() => parse(json, contentType), 'mediaType is missing')
  })

  it('must be the same in the header and in the payload', () => {
    expectInvalidManifest(() => parse(imageJson(), MediaType.dockerManifest), 'mediaType is')
    expectInvalidManifest(() => parse(indexJson(), MediaType.ociManifest), 'mediaType is')
    expectInvalidManifest(
      () => parse(imageJson({ mediaType: undefined }), MediaType.ociIndex),
      'config does not belong',
    )
  })

  it.each(['text/plain', 'application/vnd.oci.image.config.v1+json', 'nonsense', 'a/b\r\nX-Evil: 1'])(
    'is refused with the list of those accepted: %j',
    (contentType) => {
      const error = expectInvalidManifest(
        () => parse(imageJson(), contentType),
        'the Content-Type is not supported',
      )
      expect(error.message).toContain(`${MediaType.dockerManifest}, ${MediaType.dockerManifestList}`)
    },
  )

  it.each([
    [{ mediaType: 'application/vnd.example+json', schemaVersion: 2 }, 'mediaType is not supported'],
    [{ schemaVersion: 2 }, 'mediaType is missing'],
    [{}, 'mediaType is missing'],
    [imageJson({ mediaType: 5 }), 'mediaType is not a media type'],
    [imageJson({ mediaType: 'a/b\r\nX-Evil: 1' }), 'mediaType is not a media type'],
  ])('must be one that is served: %j', (json, message) => {
    expectInvalidManifest(() => parse(json), message)
  })

  it('of a stored manifest of schema 1 is known by its shape', () => {
    const schema1 = { schemaVersion: 1, name: 'a', tag: 'b', fsLayers: [], history: [] }
    const signed = { ...schema1, signatures: [{}] }
    expect(mediaTypeOf(payloadOf(schema1))).toBe(MediaType.dockerSchema1)
    expect(mediaTypeOf(payloadOf({ schemaVersion: 1 }))).toBe(MediaType.dockerSchema1)
    expect(mediaTypeOf(payloadOf(signed))).toBe(MediaType.dockerSchema1Signed)
  })

  it('of a stored manifest is known even if it would not be taken today', () => {
    const layers = Array.from({ length: 2_001 }, (_, number) => descriptorOf(`${number}`, { mediaType: '' }))
    expect(mediaTypeOf(payloadOf(imageJson({ layers })))).toBe(MediaType.ociManifest)
    expectInvalidManifest(() => mediaTypeOf(payloadOf({})), 'no known kind')
    expectInvalidManifest(() => mediaTypeOf(Buffer.from('{')), 'not JSON')
  })
})
