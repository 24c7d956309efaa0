import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseDuration, parseSize } from './units.ts'

describe('a duration', () => {
  test.each([
    ['168h', 604_800_000],
    ['1m30s', 90_000],
    ['100ms', 100],
    ['1.5h', 5_400_000],
    ['.5s', 500],
    ['3us', 0.003],
    ['3µs', 0.003],
    ['-1ms', -1],
    ['+2s', 2000],
    ['0', 0],
  ])('%s is %d ms', (text, milliseconds) => {
    expect(parseDuration(text)).toBeCloseTo(milliseconds, 9)
  })

  test('a plain number is nanoseconds, as in Go', () => {
    expect(parseDuration(1_000_000)).toBe(1)
  })

  test.each(['', '5', '10 s', 's', '1d', '1h-2m', '1e3s', true, null, {}])('%j is none', (value) => {
    expect(parseDuration(value)).toBeUndefined()
  })

  test('parts add up', () => {
    const unit = fc.constantFrom<[string, number]>(['h', 3_600_000], ['m', 60_000], ['s', 1000], ['ms', 1])
    fc.assert(
      fc.property(fc.array(fc.tuple(fc.nat(10_000), unit), { minLength: 1, maxLength: 5 }), (parts) => {
        const text = parts.map(([amount, [name]]) => `${amount}${name}`).join('')
        const sum = parts.reduce((total, [amount, [, factor]]) => total + amount * factor, 0)
        expect(parseDuration(text)).toBe(sum)
      }),
    )
  })
})

describe('a size', () => {
  test.each([
    [5_242_880, 5_242_880],
    ['5242880', 5_242_880],
    ['10MiB', 10_485_760],
    ['10 MiB', 10_485_760],
    ['10mb', 10_000_000],
    ['1.5GiB', 1_610_612_736],
    ['0', 0],
  ])('%s is %d bytes', (text, bytes) => {
    expect(parseSize(text)).toBe(bytes)
  })

  test.each(['', 'MiB', '-1', '1.5', '1e3', '10PiB', '99999999999TiB', true, null])('%j is none', (value) => {
    expect(parseSize(value)).toBeUndefined()
  })

  test('what has no unit is itself', () => {
    fc.assert(fc.property(fc.maxSafeNat(), (bytes) => parseSize(String(bytes)) === bytes))
  })
})
