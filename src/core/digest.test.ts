import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { registryErrorOf } from '../../test/support/registry-error.ts'
import {
  algorithmOf,
  type Digest,
  Digester,
  digestOf,
  hexOf,
  isDigest,
  parseDigest,
  parseDigestAlgorithm,
} from './digest.ts'

const hex = 'ab01'.repeat(16)
const emptySha256 = 'sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855'

describe('a digest', () => {
  it.each([`sha256:${hex}`, `sha512:${hex}${hex}`])('is accepted: %s', (text) => {
    expect(parseDigest(text)).toBe(text)
  })

  it.each([
    ['empty', ''],
    ['without an algorithm', hex],
    ['of an algorithm that is not served', `md5:${'a'.repeat(32)}`],
    ['sha384, which Go knows', `sha384:${'a'.repeat(96)}`],
    ['of the algorithm in upper case', `SHA256:${hex}`],
    ['in upper case', `sha256:${hex.toUpperCase()}`],
    ['one digit short', `sha256:${hex.slice(1)}`],
    ['one digit long', `sha256:${hex}0`],
    ['of another algorithm’s length', `sha512:${hex}`],
    ['with a letter that is no digit', `sha256:g${hex.slice(1)}`],
    ['with a line break behind it', `sha256:${hex}\n`],
    ['with a space before it', ` sha256:${hex}`],
    ['with a way out of its folder', `sha256:../${hex.slice(3)}`],
    ['with a second line that is one', `x\nsha256:${hex}`],
  ])('is refused when it is %s', (_, text) => {
    expect(() => parseDigest(text)).toThrow(expect.objectContaining({ code: 'DIGEST_INVALID' }))
    expect(isDigest(text)).toBe(false)
  })

  it('is never repeated at length in an error', () => {
    const error = registryErrorOf(() => parseDigest('x'.repeat(100_000)))
    expect(JSON.stringify(error.detail).length).toBeLessThan(300)
  })

  it('of any bytes parses, and has its algorithm and hex', () => {
    fc.assert(
      fc.property(fc.uint8Array(), fc.constantFrom('sha256', 'sha512'), (bytes, algorithm) => {
        const digest = digestOf(bytes, algorithm)
        expect(parseDigest(digest)).toBe(digest)
        expect(`${algorithmOf(digest)}:${hexOf(digest)}`).toBe(digest)
        expect(algorithmOf(digest)).toBe(algorithm)
      }),
    )
  })

  it('is accepted or refused as a whole, whatever the text', () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit: 'binary' }), fc.stringMatching(/^sha/)), (text) => {
        if (isDigest(text)) expect(text).toMatch(/^sha(256|512):[0-9a-f]+$/)
        else expect(registryErrorOf(() => parseDigest(text)).code).toBe('DIGEST_INVALID')
      }),
    )
  })
})

describe('a digest algorithm', () => {
  it('is one of those served', () => {
    expect(parseDigestAlgorithm('sha256')).toBe('sha256')
    expect(parseDigestAlgorithm('sha512')).toBe('sha512')
  })

  it.each(['', 'md5', 'SHA256', 'sha256:', '__proto__'])('is refused: %j', (text) => {
    expect(() => parseDigestAlgorithm(text)).toThrow(expect.objectContaining({ code: 'DIGEST_INVALID' }))
  })
})

describe('computing a digest', () => {
  it('gives what the standard gives', () => {
    expect(digestOf(new Uint8Array())).toBe(emptySha256)
    expect(digestOf(Buffer.from('abc'), 'sha512')).toMatch(/^sha512:ddaf35a193617aba/)
  })

  it('does not depend on how the bytes are cut', () => {
    fc.assert(
      fc.property(fc.array(fc.uint8Array()), fc.constantFrom('sha256', 'sha512'), (chunks, algorithm) => {
        const digester = new Digester(algorithm)
        for (const chunk of chunks) digester.update(chunk)
        expect(digester.digest()).toBe(digestOf(Buffer.concat(chunks), algorithm))
      }),
    )
  })

  it('can go on after the digest so far was asked for', () => {
    const digester = new Digester()
    expect(digester.digest()).toBe(emptySha256 as Digest)
    digester.update(Buffer.from('ab'))
    expect(digester.digest()).toBe(digestOf(Buffer.from('ab')))
    digester.update(Buffer.from('c'))
    expect(digester.digest()).toBe(digestOf(Buffer.from('abc')))
  })
})
