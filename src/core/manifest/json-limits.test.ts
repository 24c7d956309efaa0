import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { payloadOf } from '../../../test/support/manifest-json.ts'
import { requireModestJson } from './json-limits.ts'
import { MAX_JSON_DEPTH, MAX_JSON_VALUES } from './limits.ts'

const check = (text: string) => () => requireModestJson(Buffer.from(text))
const refused = expect.objectContaining({ code: 'MANIFEST_INVALID' })

describe('the depth of JSON', () => {
  const nested = (levels: number) => `${'[{"a":'.repeat(levels / 2)}0${'}]'.repeat(levels / 2)}`

  it(`is at most ${MAX_JSON_DEPTH}`, () => {
    expect(check(nested(MAX_JSON_DEPTH))).not.toThrow()
    expect(check(nested(MAX_JSON_DEPTH + 2))).toThrow(refused)
    expect(check('['.repeat(MAX_JSON_DEPTH + 1))).toThrow(/64 levels/)
  })

  it('is not that of what a string holds', () => {
    const brackets = '[{'.repeat(1_000)
    for (const text of [brackets, `\\"${brackets}`, `\\\\\\"${brackets}`, `${brackets}\\\\`]) {
      expect(check(`{"a":"${text}"}`)).not.toThrow()
    }
    expect(check(`{"a":"\\\\"${'['.repeat(100)}`)).toThrow(refused)
  })

  it('is known without reading on', () => {
    const bomb = reads('['.repeat(100_000))
    expect(() => requireModestJson(bomb.bytes)).toThrow(refused)
    expect(bomb.furthest()).toBe(MAX_JSON_DEPTH)
  })
})

describe('the values in JSON', () => {
  it(`are at most ${MAX_JSON_VALUES}`, () => {
    expect(check(`[${'0,'.repeat(MAX_JSON_VALUES - 1)}0]`)).not.toThrow()
    expect(check(`[${'0,'.repeat(MAX_JSON_VALUES)}0]`)).toThrow(/300000 elements/)
    expect(check('[]'.repeat(MAX_JSON_VALUES + 1))).toThrow(refused)
  })

  it('are not the commas of strings', () => {
    expect(check(`"${','.repeat(MAX_JSON_VALUES * 2)}"`)).not.toThrow()
  })
})

describe('the check of JSON', () => {
  it('lets through every modest value, with and without spaces', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 20 }), (text) => {
        expect(check(text)).not.toThrow()
        expect(check(JSON.stringify(JSON.parse(text), null, 2))).not.toThrow()
      }),
    )
  })

  it('finds as many levels as there are', () => {
    fc.assert(
      fc.property(fc.jsonValue({ maxDepth: 8 }), fc.integer({ min: 55, max: 66 }), (value, wrappers) => {
        let wrapped: unknown = value
        for (let level = 0; level < wrappers; level++) wrapped = level % 2 === 0 ? [wrapped] : { a: wrapped }
        const isModest = depthOf(wrapped) <= MAX_JSON_DEPTH
        const work = () => requireModestJson(payloadOf(wrapped))
        if (isModest) expect(work).not.toThrow()
        else expect(work).toThrow(refused)
      }),
    )
  })

  it('takes any bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        expect(() => requireModestJson(bytes)).not.toThrow()
      }),
    )
  })

  it.each([
    ['a string that does not end', `"${'a'.repeat(50_000)}`],
    ['an escape at the end', '"\\'],
    ['spaces behind many strings', `"digest"${' '.repeat(50_000)}`.repeat(2)],
    ['keys with escapes', '"\\u0061":'.repeat(1_500)],
    ['quotes', '""'.repeat(25_000)],
  ])('reads each byte a few times at most: %s', (_, text) => {
    const counted = reads(text)
    requireModestJson(counted.bytes)
    expect(counted.count()).toBeLessThan(8 * text.length + 8)
  })
})

function depthOf(value: unknown): number {
  if (typeof value !== 'object' || value === null) return 0
  return 1 + Math.max(0, ...Object.values(value).map(depthOf))
}

/** Bytes that count the reads and the furthest position read. */
function reads(text: string) {
  let count = 0
  let furthest = 0
  const bytes = new Proxy(Buffer.from(text), {
    get(target, key) {
      const index = typeof key === 'string' ? Number(key) : Number.NaN
      if (Number.isInteger(index)) {
        count++
        furthest = Math.max(furthest, index)
      }
      const value: unknown = Reflect.get(target, key, target)
      return typeof value === 'function' ? value.bind(target) : value
    },
  })
  return { bytes, count: () => count, furthest: () => furthest }
}
