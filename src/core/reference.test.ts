import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { isRepositoryName, isTag, parseReference, parseRepositoryName, parseTag } from './reference.ts'

const alphanumeric = fc.stringMatching(/^[a-z0-9]{1,8}$/)
const separator = fc.constantFrom('.', '_', '__', '-', '--', '-----')
const component = fc
  .tuple(alphanumeric, fc.array(fc.tuple(separator, alphanumeric), { maxLength: 3 }))
  .map(([first, rest]) => first + rest.flat().join(''))
const repositoryName = fc
  .array(component, { minLength: 1, maxLength: 6 })
  .map((components) => components.join('/'))
  .filter((name) => name.length <= 255)

describe('a repository name', () => {
  it('is components joined by slashes', () => {
    fc.assert(
      fc.property(repositoryName, (name) => {
        expect(parseRepositoryName(name)).toBe(name)
      }),
    )
  })

  it.each([
    ['empty', ''],
    ['in upper case', 'Library/redis'],
    ['with an empty component', 'a//b'],
    ['with a slash before it', '/a'],
    ['with a slash behind it', 'a/'],
    ['with a separator before it', '.a'],
    ['with a separator behind it', 'a-'],
    ['with a component that is a separator', 'a/_uploads/b'],
    ['with two dots', 'a..b'],
    ['a way up', '../a'],
    ['a way up in the middle', 'a/../b'],
    ['with three underscores', 'a___b'],
    ['with mixed separators', 'a.-b'],
    ['with a percent sign', 'a%2fb'],
    ['with a zero byte', 'a\0b'],
    ['with a line break behind it', 'a\n'],
    ['with a letter that is not ASCII', 'ä'],
    ['with a colon', 'a:b'],
    ['with a back slash', 'a\\b'],
  ])('is refused when it is %s', (_, name) => {
    expect(isRepositoryName(name)).toBe(false)
    expect(() => parseRepositoryName(name)).toThrow(expect.objectContaining({ code: 'NAME_INVALID' }))
  })

  it('has at most 255 characters', () => {
    expect(isRepositoryName('a'.repeat(255))).toBe(true)
    expect(() => parseRepositoryName('a'.repeat(256))).toThrow(/at most 255/)
  })

  it('is refused without delay when it is made to be slow', () => {
    for (const text of [
      `${'a-'.repeat(127)}!`,
      `${'-'.repeat(254)}!`,
      `${'a/'.repeat(127)}!`,
      'a_'.repeat(1e6),
    ]) {
      expect(isRepositoryName(text)).toBe(false)
    }
  })

  it('that is accepted never leads out of its folder', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom('a', '0', '.', '_', '-', '/', '\\', '%', 'A', ':') }),
        (text) => {
          fc.pre(isRepositoryName(text))
          for (const part of text.split('/')) expect(part).toMatch(/^[a-z0-9]([a-z0-9._-]*[a-z0-9])?$/)
          expect(text).not.toContain('..')
        },
      ),
    )
  })
})

describe('a tag', () => {
  it('is 1 to 128 characters', () => {
    fc.assert(
      fc.property(fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9._-]{0,127}$/), (tag) => {
        expect(parseTag(tag)).toBe(tag)
      }),
    )
    expect(isTag('a'.repeat(128))).toBe(true)
    expect(isTag('a'.repeat(129))).toBe(false)
  })

  it.each(['', '.', '..', '.a', '-a', 'a b', 'a/b', 'a:b', 'a\n', 'a\0', '../x', 'ä', 'a%2e', 'a+b'])(
    'is refused: %j',
    (tag) => {
      expect(() => parseTag(tag)).toThrow(expect.objectContaining({ code: 'TAG_INVALID' }))
    },
  )
})

describe('a reference', () => {
  const digest = `sha256:${'0'.repeat(64)}`

  it('with a colon is a digest, otherwise a tag', () => {
    expect(parseReference(digest)).toEqual({ kind: 'digest', digest })
    expect(parseReference('v1.0')).toEqual({ kind: 'tag', tag: 'v1.0' })
    expect(parseReference('sha256-0000')).toEqual({ kind: 'tag', tag: 'sha256-0000' })
  })

  it('is refused as what it was meant to be', () => {
    expect(() => parseReference('sha256:00')).toThrow(expect.objectContaining({ code: 'DIGEST_INVALID' }))
    expect(() => parseReference('.tag')).toThrow(expect.objectContaining({ code: 'TAG_INVALID' }))
  })
})
