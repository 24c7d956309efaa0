import { expect, test } from 'vitest'
import { preferredEncoding } from './accept-encoding.ts'

test.each([
  ['gzip, deflate, br, zstd', 'br'],
  ['gzip;q=1.0, BR;q=0', 'gzip'],
  ['br;q=0.000, gzip;q=0', 'identity'],
  ['*', 'identity'],
  ['', 'identity'],
  [undefined, 'identity'],
])('%j is answered with %s', (header, expected) => {
  expect(preferredEncoding(header, ['br', 'gzip'])).toBe(expected)
})
