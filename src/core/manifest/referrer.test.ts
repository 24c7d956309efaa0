import { describe, expect, test } from 'vitest'
import {
  artifactJson,
  descriptorOf,
  imageJson,
  indexJson,
  payloadOf,
} from '../../../test/support/manifest-json.ts'
import { digestOf } from '../digest.ts'
import { RegistryError } from '../errors.ts'
import { MediaType } from '../media-type.ts'
import { parseListed, parseReferrer } from './referrer.ts'

const digest = digestOf(Buffer.from('any'))
const subject = descriptorOf('subject', { mediaType: MediaType.ociManifest })
const about = digestOf(Buffer.from('subject'))

const read = (json: unknown) => parseReferrer(payloadOf(json), digest)

describe('a stored manifest as a referrer', () => {
  test.each([
    ['an image', imageJson({ subject }), MediaType.ociManifest, 'application/vnd.oci.image.config.v1+json'],
    ['an index', indexJson({ subject }), MediaType.ociIndex, undefined],
    ['an artifact', artifactJson({ subject }), MediaType.ociArtifact, 'application/vnd.example.sbom'],
    [
      'an image that does not say so',
      imageJson({ subject, mediaType: undefined }),
      MediaType.ociManifest,
      'application/vnd.oci.image.config.v1+json',
    ],
  ])('%s', (_, json, mediaType, artifactType) => {
    const { subject: found, descriptor } = read(json)
    expect(found).toBe(about)
    expect(descriptor).toEqual({
      mediaType,
      digest,
      size: payloadOf(json).length,
      ...(artifactType && { artifactType }),
    })
  })

  test('Docker’s manifests have no subject, whatever stands there', () => {
    expect(read(imageJson({ subject, mediaType: MediaType.dockerManifest })).subject).toBeUndefined()
  })

  test.each([undefined, null, 7, 'x', [], {}, { digest: 7 }, { digest: 'sha256:x' }, { digest: 'md5:00' }])(
    'the subject %j is none',
    (odd) => expect(read(imageJson({ subject: odd })).subject).toBeUndefined(),
  )

  test.each([undefined, null, 7, 'x', [], ['x'], {}, { a: 7, b: null }])(
    'the annotations %j are none',
    (annotations) => expect(read(imageJson({ annotations })).descriptor).not.toHaveProperty('annotations'),
  )

  test('annotations that are text are kept, whatever they are called', () => {
    const annotations = JSON.parse('{"__proto__":"x","constructor":"y","odd":7}')
    const { descriptor } = read(imageJson({ annotations }))
    expect(Object.entries(descriptor.annotations ?? {})).toEqual([
      ['__proto__', 'x'],
      ['constructor', 'y'],
    ])
    expect(Object.getPrototypeOf(descriptor.annotations)).toBe(Object.prototype)
  })

  test.each(['', 'x', '[]', 'null', '{}', '{"subject":{}}'])('%j is none', (text) => {
    expect(() => parseReferrer(Buffer.from(text), digest)).toThrow(RegistryError)
  })
})

describe('what an index lists', () => {
  test('is every digest in it', () => {
    const [one, two] = ['one', 'two'].map((name) => digestOf(Buffer.from(name)))
    const manifests = [{ digest: one }, 7, null, {}, { digest: 'x' }, { digest: two, mediaType: 7 }]
    expect(parseListed(payloadOf(indexJson({ manifests })))).toEqual([one, two])
  })

  test.each([imageJson(), { manifests: {} }, { manifests: null }, {}])(
    'is nothing where it is none: %j',
    (json) => {
      expect(parseListed(payloadOf(json))).toEqual([])
    },
  )
})
