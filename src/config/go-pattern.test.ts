import { expect, test } from 'vitest'
import { compileGoPattern } from './go-pattern.ts'

test.each([
  ['^https?://([^/]+\\.)*example\\.com/', 'https://a.example.com/x', 'https://example.org/'],
  ['(?i)^https://EXAMPLE', 'https://example.com', 'http://example.com'],
  ['\\Ahttp\\z', 'http', 'https'],
  ['^a\\-b\\_c\\@d$', 'a-b_c@d', 'a\\-b'],
  ['(?P<scheme>https)://', 'https://x', 'http://x'],
  ['^[\\w\\-]+$', 'a-b', 'a b'],
])('%s matches as in Go', (source, matching, other) => {
  const pattern = compileGoPattern(source)
  expect(pattern?.test(matching)).toBe(true)
  expect(pattern?.test(other)).toBe(false)
})

test.each(['(', '[a', '\\Qa\\E', 'a**'])('%s is no pattern', (source) => {
  expect(compileGoPattern(source)).toBeUndefined()
})
