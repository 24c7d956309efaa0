import { expect, test } from 'vitest'
import { parseChallenges } from './challenge.ts'
import { nextPage } from './pages.ts'
import { AddressPolicy } from './public-addresses.ts'
import { rateLimitOf, retryAfterMs } from './retry-after.ts'
import { isSameSite } from './same-site.ts'

test.each([
  ['Basic realm="a b"', [['basic', { realm: 'a b' }]]],
  [
    'Bearer realm="https://a/t",service=s, scope="x y,z"',
    [['bearer', { realm: 'https://a/t', service: 's', scope: 'x y,z' }]],
  ],
  [
    'Negotiate, Basic realm="a\\"b"',
    [
      ['negotiate', {}],
      ['basic', { realm: 'a"b' }],
    ],
  ],
  ['BEARER Realm=x', [['bearer', { realm: 'x' }]]],
  ['', []],
  ['"', []],
])('the challenges of %j', (header, expected) => {
  const found = parseChallenges(header).map(({ scheme, parameters }) => [
    scheme,
    Object.fromEntries(parameters),
  ])
  expect(found).toEqual(expected)
})

test.each([
  ['registry-1.docker.io', 'auth.docker.io', true],
  ['registry.gitlab.com', 'gitlab.com', true],
  ['quay.io', 'quay.io', true],
  ['registry.example.co.uk', 'auth.example.co.uk', true],
  ['example.co.uk', 'attacker.co.uk', false],
  ['mine.azurecr.io', 'other.azurecr.io', false],
  ['registry-1.docker.io', 'docker.io.attacker.example', false],
  ['registry-1.docker.io', 'attacker-docker.io', false],
  ['a.io', 'b.io', false],
  ['127.0.0.1', '127.0.0.2', false],
  ['localhost', 'auth.localhost', false],
  ['localhost', 'localhost', true],
])('%s and %s are of one site: %s', (host, other, expected) => {
  expect(isSameSite(host, other)).toBe(expected)
})

test.each([
  ['8.8.8.8', true],
  ['2606:4700::1111', true],
  ['127.0.0.1', false],
  ['169.254.169.254', false],
  ['100.100.100.200', false],
  ['::1', false],
  ['::ffff:10.0.0.1', false],
  ['::ffff:a00:1', false],
  ['64:ff9b::a00:1', false],
  ['fd00:ec2::254', false],
  ['10.1.2.3', true],
  ['a', false],
])('%s may be gone to: %s', (address, expected) => {
  expect(new AddressPolicy(['10.1.2.0/24']).allows(address)).toBe(expected)
})

test.each([
  ['120', 120_000],
  ['Thu, 01 Jan 1970 00:00:10 GMT', 9_000],
  ['Thu, 01 Jan 1970 00:00:00 GMT', 0],
  ['soon', undefined],
  ['', undefined],
])('Retry-After: %s', (text, expected) => {
  expect(retryAfterMs({ 'retry-after': text }, 1_000)).toBe(expected)
})

test('the limits of Docker Hub', () => {
  expect(rateLimitOf({ 'ratelimit-limit': '100;w=21600', 'ratelimit-remaining': '0;w=21600' })).toEqual({
    limit: 100,
    remaining: 0,
  })
  expect(rateLimitOf({})).toBeUndefined()
})

test.each([
  ['</v2/a/tags/list?last=x&n=2>; rel="next"', 'https://a/v2/a/tags/list?last=x&n=2'],
  ['<?last=x>; rel=next', 'https://a/v2/a/tags/list?last=x'],
  ['<https://b/v2/a/tags/list?last=x>; rel="next"', undefined],
  ['</p>; rel="prev", </n>; title="x"; rel="next"', 'https://a/n'],
  ['</n>; rel="nexting"', undefined],
  ['</v2/a/tags/list>; rel="next"', undefined],
  [undefined, undefined],
])('the next page by %s', (link, expected) => {
  expect(nextPage(link, new URL('https://a/v2/a/tags/list'))).toBe(expected)
})
