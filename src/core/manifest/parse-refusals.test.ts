import { describe, expect, it } from 'vitest'
import {
  artifactJson,
  descriptorOf,
  imageJson,
  indexJson,
  payloadOf,
} from '../../../test/support/manifest-json.ts'
import { expectInvalidManifest, registryErrorOf } from '../../../test/support/registry-error.ts'
import { digestOf } from '../digest.ts'
import { MediaType } from '../media-type.ts'
import { MAX_MANIFEST_BYTES } from './limits.ts'
import { parseManifest } from './parse.ts'

const parse = (json: unknown, contentType?: string) => parseManifest(payloadOf(json), contentType)
const dockerList = (parts = {}) => indexJson({ mediaType: MediaType.dockerManifestList, ...parts })

describe('a manifest is refused', () => {
  const descriptor = descriptorOf('x')

  it.each([
    ['an image that is an index', imageJson({ manifests: [] }), 'manifests does not belong'],
    ['an index that is an image', indexJson({ layers: [descriptor] }), 'layers does not belong'],
    ['an index with a config', indexJson({ config: descriptor }), 'config does not belong'],
    ['a list with layers', dockerList({ layers: [] }), 'layers does not belong'],
    ['an image with the layers of schema 1', imageJson({ fsLayers: [] }), 'fsLayers does not belong'],
    ['an artifact with layers', artifactJson({ layers: [] }), 'layers does not belong'],
    [
      'an image and index without a name',
      imageJson({ mediaType: undefined, manifests: [] }),
      'does not belong',
    ],
  ])('when it can be read as two kinds: %s', (_, json, message) => {
    expectInvalidManifest(() => parse(json), message)
  })

  it.each([
    [imageJson({ schemaVersion: undefined }), 'schemaVersion is missing'],
    [imageJson({ schemaVersion: 1 }), 'schemaVersion is not 2'],
    [imageJson({ schemaVersion: '2' }), 'schemaVersion is not 2'],
    [imageJson({ config: undefined, mediaType: MediaType.ociManifest }), 'config is missing'],
    [imageJson({ config: null }), 'config is not an object'],
    [imageJson({ config: [] }), 'config is not an object'],
    [imageJson({ layers: undefined }), 'layers is missing'],
    [imageJson({ layers: {} }), 'layers is not an array'],
    [imageJson({ layers: [descriptor, null] }), 'layers[1] is not an object'],
    [indexJson({ manifests: undefined }), 'manifests is missing'],
    [indexJson({ manifests: ['x'] }), 'manifests[0] is not an object'],
    [artifactJson({ blobs: {} }), 'blobs is not an array'],
    [imageJson({ subject: 'x' }), 'subject is not an object'],
    [imageJson({ subject: descriptorOf('x', { digest: 'x' }) }), 'subject.digest is not sha256:'],
  ])('when a part is missing or of another type: %#', (json, message) => {
    expectInvalidManifest(() => parse(json), message)
  })

  it.each([
    [{ digest: undefined }, 'digest is missing'],
    [{ digest: 5 }, 'digest is not sha256:'],
    [{ digest: `md5:${'a'.repeat(32)}` }, 'digest is not sha256:'],
    [{ digest: digestOf(new Uint8Array()).toUpperCase() }, 'digest is not sha256:'],
    [{ size: undefined }, 'size is missing'],
    [{ size: -1 }, 'size is not a number of bytes'],
    [{ size: 1.5 }, 'size is not a number of bytes'],
    [{ size: '1' }, 'size is not a number of bytes'],
    [{ size: Number.MAX_SAFE_INTEGER + 1 }, 'size is not a number of bytes'],
    [{ mediaType: undefined }, 'mediaType is missing'],
    [{ mediaType: '' }, 'mediaType is not a media type'],
    [{ mediaType: 'a/b\r\nX-Evil: 1' }, 'mediaType is not a media type'],
    [{ urls: 'https://example.com' }, 'urls is not an array of strings'],
    [{ urls: [1] }, 'urls is not an array of strings'],
    [{ platform: 'linux' }, 'platform is not an object'],
    [{ platform: { os: 1 } }, 'platform.os is not a string'],
  ])('when a descriptor is wrong, with its place: %j', (parts, message) => {
    const layers = [descriptor, descriptor, descriptor, descriptorOf('x', parts)]
    const error = expectInvalidManifest(() => parse(imageJson({ layers })), `layers[3].${message}`)
    expect(error.message.startsWith(`${(error.detail as { place: string }).place} `)).toBe(true)
  })

  it.each([
    ['an empty payload', Buffer.alloc(0), 'not JSON'],
    ['text behind it', Buffer.concat([payloadOf(imageJson()), Buffer.from('x')]), 'not JSON'],
    ['a second one behind it', Buffer.concat([payloadOf(imageJson()), payloadOf({})]), 'not JSON'],
    ['a byte order mark', Buffer.concat([Buffer.from('\ufeff'), payloadOf(imageJson())]), 'not JSON'],
    ['bytes that are not UTF-8', Buffer.from('{"a":"\xff"}', 'latin1'), 'not UTF-8'],
    ['UTF-16', Buffer.from(JSON.stringify(imageJson()), 'utf16le'), ''],
    ['a list', payloadOf([]), 'the manifest is not an object'],
    ['null', payloadOf(null), 'the manifest is not an object'],
    ['a text', payloadOf('x'), 'the manifest is not an object'],
  ])('when it is not an object in JSON: %s', (_, payload, message) => {
    expectInvalidManifest(() => parseManifest(payload), message)
  })

  it('when it is deeper than is served, whatever the number of its descriptors', () => {
    expectInvalidManifest(() => parseManifest(Buffer.from('['.repeat(100_000))), '64 levels')
    const layers = (count: number) => Array.from({ length: count }, () => descriptor)
    expect(parse(imageJson({ layers: layers(20_000) })).references()).toHaveLength(20_001)
  })

  it('when it has more than 4 MiB', () => {
    const empty = payloadOf(imageJson({ annotations: { a: '' } })).length
    const ofSize = (bytes: number) => payloadOf(imageJson({ annotations: { a: 'x'.repeat(bytes - empty) } }))
    expect(ofSize(MAX_MANIFEST_BYTES)).toHaveLength(4_194_304)
    expect(parseManifest(ofSize(MAX_MANIFEST_BYTES)).references()).toHaveLength(3)
    expect(registryErrorOf(() => parseManifest(ofSize(MAX_MANIFEST_BYTES + 1))).code).toBe(
      'MANIFEST_TOO_LARGE',
    )
  })
})
