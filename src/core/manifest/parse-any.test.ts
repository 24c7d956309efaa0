import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  descriptorOf,
  imageJson,
  indexJson,
  layerType,
  payloadOf,
} from '../../../test/support/manifest-json.ts'
import { expectInvalidManifest, registryErrorIfAny } from '../../../test/support/registry-error.ts'
import { digestOf } from '../digest.ts'
import { MediaType, NON_DISTRIBUTABLE_LAYERS } from '../media-type.ts'
import { mediaTypeOf, parseManifest } from './parse.ts'

const parse = (json: unknown, contentType?: string) => parseManifest(payloadOf(json), contentType)

describe('any manifest', () => {
  const size = fc.nat({ max: Number.MAX_SAFE_INTEGER })
  const mediaType = fc.constantFrom(layerType, MediaType.ociManifest, 'a/b', ...NON_DISTRIBUTABLE_LAYERS)
  const descriptor = fc.record(
    {
      mediaType,
      digest: fc
        .tuple(fc.uint8Array(), fc.constantFrom('sha256', 'sha512'))
        .map(([bytes, algorithm]) => digestOf(bytes, algorithm)),
      size,
      annotations: fc.dictionary(fc.string(), fc.string()),
      urls: fc.array(fc.webUrl()),
      platform: fc.record({ os: fc.string(), architecture: fc.string() }),
    },
    { requiredKeys: ['mediaType', 'digest', 'size'] },
  )
  const descriptors = fc.array(descriptor, { maxLength: 8 })

  it('that is valid comes out as it went in', () => {
    fc.assert(
      fc.property(
        descriptor,
        descriptors,
        fc.option(descriptor),
        fc.boolean(),
        (config, children, subject, indented) => {
          for (const json of [
            imageJson({ config, layers: children, subject }),
            indexJson({ manifests: children, subject }),
          ]) {
            const manifest = parseManifest(Buffer.from(JSON.stringify(json, null, indented ? 3 : 0)))
            const expected = 'layers' in json ? [config, ...children] : children
            expect(manifest.references().map((reference) => reference.descriptor)).toEqual(expected.map(bare))
            expect(manifest.references().map(({ urls }) => urls)).toEqual(
              expected.map(({ urls = [] }) => urls),
            )
            expect(manifest.subject).toEqual(subject ? bare(subject) : undefined)
          }
        },
      ),
    )
  })

  it('is refused with an error of the registry or taken, never anything else', () => {
    const field = fc.oneof(fc.jsonValue(), descriptor, fc.array(fc.oneof(descriptor, fc.jsonValue())))
    const document = fc.record(
      {
        schemaVersion: fc.constantFrom(1, 2, '2', null),
        mediaType: fc.oneof(fc.constantFrom(...Object.values(MediaType)), fc.jsonValue()),
        config: field,
        layers: field,
        manifests: field,
        blobs: field,
        subject: field,
        fsLayers: field,
      },
      { requiredKeys: [] },
    )
    const contentType = fc.option(fc.oneof(fc.string(), fc.constantFrom(...Object.values(MediaType))), {
      nil: undefined,
    })
    fc.assert(
      fc.property(fc.oneof(document, fc.jsonValue()), contentType, (json, header) => {
        registryErrorIfAny(() => parse(json, header))
        registryErrorIfAny(() => mediaTypeOf(payloadOf(json)))
      }),
      { numRuns: 1_000 },
    )
  })

  it('of bytes that are no manifest is refused with an error of the registry', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.nat(), (bytes, at) => {
        const payload = Buffer.from(payloadOf(imageJson()))
        payload.set(bytes.subarray(0, payload.length), at % Math.max(1, payload.length - bytes.length))
        registryErrorIfAny(() => parseManifest(bytes))
        registryErrorIfAny(() => parseManifest(payload))
      }),
    )
  })

  it('changes nothing by naming the parts that every object has', () => {
    const text = JSON.stringify(imageJson()).replace(
      '{',
      '{"__proto__":{"subject":{"x":1},"polluted":1},"constructor":{"prototype":{}},',
    )
    const manifest = parseManifest(Buffer.from(text))
    expect(manifest.subject).toBeUndefined()
    expect(manifest.references()).toHaveLength(3)
    expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false)
    const layer = JSON.stringify(descriptorOf('x', { digest: undefined })).replace(
      '{',
      `{"__proto__":${JSON.stringify(descriptorOf('y'))},`,
    )
    expectInvalidManifest(
      () => parseManifest(Buffer.from(JSON.stringify(imageJson({ layers: ['@'] })).replace('"@"', layer))),
      'layers[0].digest is missing',
    )
  })
})

function bare({ mediaType, digest, size }: { mediaType: string; digest: string; size: number }) {
  return { mediaType, digest, size }
}
