import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isMediaType, MediaType, parseMediaType } from './media-type.ts'

describe('a Content-Type header', () => {
  it.each([
    ['application/json', 'application/json'],
    ['application/json; charset=utf-8', 'application/json'],
    ['  application/json ;charset=utf-8', 'application/json'],
    ['Application/VND.OCI.Image.Manifest.v1+JSON', MediaType.ociManifest],
  ])('%j has the type %s', (header, type) => {
    expect(parseMediaType(header)).toBe(type)
  })

  it.each([undefined, '', ' ', ';', 'json', 'a/', '/b', 'a/b/c', 'a b/c', 'a/b\r\nX: y', 'a/b,c/d', '*'])(
    '%j has none',
    (header) => {
      expect(parseMediaType(header)).toBeUndefined()
    },
  )

  it('gives nothing that could end a header’s line', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const type = parseMediaType(`a/b${text}`)
        if (type !== undefined) expect(type).toMatch(/^[!-~]+$/)
      }),
    )
  })
})

describe('a media type', () => {
  it('is each of those of manifests', () => {
    for (const type of Object.values(MediaType)) expect(isMediaType(type)).toBe(true)
  })

  it('has no parameters and at most 255 characters', () => {
    expect(isMediaType('a/b;c=d')).toBe(false)
    expect(isMediaType(`a/${'b'.repeat(253)}`)).toBe(true)
    expect(isMediaType(`a/${'b'.repeat(254)}`)).toBe(false)
  })
})
