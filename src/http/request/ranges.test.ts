import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { registryErrorIfAny } from '../../../test/support/registry-error.ts'
import { ifRangeAllows, matchesEtag, parseContentRange, parseRange } from './ranges.ts'

const whole = { kind: 'whole' }
const unsatisfiable = { kind: 'unsatisfiable' }
const ranges = (...pairs: [number, number][]) => ({
  kind: 'ranges',
  ranges: pairs.map(([start, end]) => ({ start, end })),
})

describe('a Range header', () => {
  it.each([
    ['bytes=0-4', ranges([0, 4])],
    ['bytes=0-0', ranges([0, 0])],
    ['bytes=5-', ranges([5, 9])],
    ['bytes=-3', ranges([7, 9])],
    ['bytes=-10', ranges([0, 9])],
    ['bytes=-99', ranges([0, 9])],
    ['bytes=9-9', ranges([9, 9])],
    ['bytes=8-99', ranges([8, 9])],
    ['bytes=0-99999999999999999999999', ranges([0, 9])],
    ['BYTES=0-1', ranges([0, 1])],
    ['bytes=0-1, 4-5 ,,	8-', ranges([0, 1], [4, 5], [8, 9])],
    ['bytes=8-9,0-1', ranges([8, 9], [0, 1])],
    ['bytes=10-11,0-1,-0', ranges([0, 1])],
    ['bytes=0-1,5-4', ranges([0, 1])],
    ['bytes=0-,0-', ranges([0, 9], [0, 9])],
  ])('of ten bytes asks for a part: %j', (header, expected) => {
    expect(parseRange(header, 10)).toEqual(expected)
  })

  it.each([
    'bytes=10-',
    'bytes=10-20',
    'bytes=-0',
    'bytes=99999999999999999999999-',
    'bytes=10-,11-12',
    'bytes=5-4',
  ])('of ten bytes cannot be satisfied: %j', (header) => {
    expect(parseRange(header, 10)).toEqual(unsatisfiable)
  })

  it.each([
    undefined,
    '',
    'bytes',
    'bytes=',
    'bytes=,',
    'bytes=-',
    'bytes=0-1,x',
    'bytes=1',
    'bytes=1-2-3',
    'bytes=--1',
    'bytes=+1-2',
    'bytes=0x1-2',
    'bytes=1.0-2',
    'bytes=1e0-2',
    'bytes=a-b',
    'bytes= - 5',
    'bytes =0-1',
    'items=0-1',
    'bytes=0-1\n',
    'bytes=٣-٤',
  ])('is ignored when it says nothing that is understood: %j', (header) => {
    expect(parseRange(header, 10)).toEqual(whole)
  })

  it('is ignored when there is nothing to take a part of', () => {
    for (const header of ['bytes=0-', 'bytes=0-0', 'bytes=-5', 'bytes=5-']) {
      expect(parseRange(header, 0)).toEqual(whole)
    }
  })

  it('may have as many ranges as the clients that fetch chunks ask for', () => {
    const chunks = (count: number) =>
      Array.from({ length: count }, (_, i) => `${i * 10}-${i * 10 + 8}`).join()
    expect(parseRange(`bytes=${chunks(1_024)}`, 1e9)).toMatchObject({ kind: 'ranges' })
    expect(parseRange(`bytes=${chunks(2_048)}`, 1e9)).toMatchObject({ kind: 'ranges' })
    expect(parseRange(`bytes=${chunks(2_049)}`, 1e9)).toEqual(whole)
  })

  it('is ignored when the parts would be more than the whole', () => {
    expect(parseRange('bytes=0-,0-,0-', 10)).toEqual(whole)
    expect(parseRange('bytes=0-5,0-2,9-', 10)).toEqual(ranges([0, 5], [0, 2], [9, 9]))
    expect(parseRange('bytes=0-5,0-3,9-', 10)).toEqual(whole)
    expect(parseRange(`bytes=${'0-,'.repeat(1_000)}`, 1e9)).toEqual(whole)
  })

  const position = fc.nat({ max: 30 })
  const spec = fc.oneof(
    fc.tuple(position, position).map(([first, length]) => `${first}-${first + length}`),
    position.map((first) => `${first}-`),
    position.map((length) => `-${length}`),
  )

  it('gives the bytes that it names, in the order asked', () => {
    fc.assert(
      fc.property(
        fc.array(spec, { minLength: 1, maxLength: 4 }),
        fc.integer({ min: 1, max: 40 }),
        (specs, size) => {
          const wanted = specs
            .map((text) => positionsOf(text, size))
            .filter((positions) => positions.length > 0)
          const total = wanted.flat().length
          const request = parseRange(`bytes=${specs.join(', ')}`, size)
          if (wanted.length === 0) expect(request).toEqual(unsatisfiable)
          else if (wanted.length > 2 && total > size) expect(request).toEqual(whole)
          else {
            expect(request).toEqual(
              ranges(...wanted.map((each): [number, number] => [each[0]!, each.at(-1)!])),
            )
          }
        },
      ),
    )
  })

  it('of any text gives ranges inside the size, or none', () => {
    const text = fc.oneof(
      fc.string(),
      fc.string({ unit: fc.constantFrom('0', '9', '-', ',', ' ', '=', 'b') }).map((list) => `bytes=${list}`),
    )
    fc.assert(
      fc.property(text, fc.nat(), (header, size) => {
        const request = parseRange(header, size)
        if (request.kind !== 'ranges') return
        expect(request.ranges.length).toBeGreaterThan(0)
        for (const { start, end } of request.ranges) {
          expect(Number.isSafeInteger(start) && Number.isSafeInteger(end)).toBe(true)
          expect(0 <= start && start <= end && end < size).toBe(true)
        }
      }),
    )
  })
})

describe('a Content-Range header', () => {
  it.each(['0-99', 'bytes 0-99/100', 'bytes 0-99/*', 'bytes 0-99/200', 'Bytes 0-99', '0-99/100', ' 0-99 '])(
    'says where the bytes belong: %j',
    (header) => {
      expect(parseContentRange(header)).toEqual({ start: 0, end: 99 })
    },
  )

  it('may be of one byte', () => {
    expect(parseContentRange('7-7')).toEqual({ start: 7, end: 7 })
  })

  it.each([undefined, '', ' '])('may be absent: %j', (header) => {
    expect(parseContentRange(header)).toBeUndefined()
  })

  it.each([
    'x',
    '0',
    '-99',
    '0-',
    '0--1',
    '5-4',
    '0-99/',
    '0-99/99',
    'bytes */100',
    'bytes=0-99',
    'bytes0-99',
    'items 0-99/100',
    '0x0-99',
    '0-99-100',
    '0-99,100-199',
    '0-9007199254740992',
    '1e1-99',
  ])('is refused when it is malformed: %j', (header) => {
    expect(() => parseContentRange(header)).toThrow(expect.objectContaining({ code: 'RANGE_INVALID' }))
  })

  it('is read back as it was written', () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), fc.maxSafeNat(), (one, other) => {
        const [start, end] = [Math.min(one, other), Math.max(one, other)]
        expect(parseContentRange(`${start}-${end}`)).toEqual({ start, end })
        expect(parseContentRange(`bytes ${start}-${end}/*`)).toEqual({ start, end })
      }),
    )
  })

  it('of any text is a range, absent or refused', () => {
    const text = fc.oneof(fc.string(), fc.string({ unit: fc.constantFrom('0', '9', '-', '/', '*', ' ') }))
    fc.assert(
      fc.property(text, (header) => {
        const refusal = registryErrorIfAny(() => {
          const range = parseContentRange(header)
          expect(range === undefined || range.start <= range.end).toBe(true)
        })
        expect([undefined, 'RANGE_INVALID']).toContain(refusal?.code)
      }),
    )
  })
})

describe('an If-None-Match header', () => {
  const digest = `sha256:${'a'.repeat(64)}`
  const etag = `"${digest}"`

  it.each([etag, `W/${etag}`, digest, '*', ' * ', `"x", ${etag}`, `W/"x",W/${etag} , "y"`, `"x,y", ${etag}`])(
    'names the content: %j',
    (header) => {
      expect(matchesEtag(header, etag)).toBe(true)
    },
  )

  it.each([
    undefined,
    '',
    '"x"',
    '"*"',
    `"${digest}`,
    `${digest}"`,
    `w/${etag}`,
    etag.replace('a"', 'b"'),
    `"${digest} "`,
    `W/${digest}`,
    digest.slice(7),
  ])('does not name it: %j', (header) => {
    expect(matchesEtag(header, etag)).toBe(false)
  })
})

describe('an If-Range header', () => {
  const etag = '"sha256:a"'

  it('lets a range through when there is none, or when it names the content', () => {
    expect(ifRangeAllows(undefined, etag)).toBe(true)
    expect(ifRangeAllows(etag, etag)).toBe(true)
    expect(ifRangeAllows(` ${etag} `, etag)).toBe(true)
  })

  it.each([`W/${etag}`, 'sha256:a', '"x"', '*', '', `${etag}, "x"`, 'Wed, 21 Oct 2026 07:28:00 GMT'])(
    'stops it otherwise: %j',
    (header) => {
      expect(ifRangeAllows(header, etag)).toBe(false)
    },
  )
})

/** The positions in a range of content of this size, one by one. */
function positionsOf(spec: string, size: number): number[] {
  const [first, last] = spec.split('-') as [string, string]
  const all = Array.from({ length: size }, (_, position) => position)
  if (first === '') return Number(last) === 0 ? [] : all.slice(-Number(last))
  return all.filter((at) => at >= Number(first) && (last === '' || at <= Number(last)))
}
