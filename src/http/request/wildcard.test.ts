import { expect, test } from 'vitest'
import { wildcard } from './wildcard.ts'

const docker = 'docker/20.10.7 go/go1.13.15 os/linux UpstreamClient(Docker-Client/20.10.7 \\(linux\\))'

test.each([
  ['docker/*', docker],
  ['*(linux*', docker],
  ['*GO/go1.13*', docker],
  ['docker/*os/*client*', docker],
  ['*', ''],
  ['a', 'A'],
  ['a*', 'a'],
  ['ab*ba', 'abba'],
  ['a**b', 'ab'],
  ['a*b*b', 'abb'],
])('%s is %j', (pattern, text) => {
  expect(wildcard(pattern)(text)).toBe(true)
})

test.each([
  ['docker', docker],
  ['containerd/*', docker],
  ['docker', 'docker/'],
  ['ab*ba', 'aba'],
  ['a*b*b', 'ab'],
  ['*b*a*', 'ab'],
  ['a.c', 'abc'],
  ['[a-z]', 'a'],
])('%s is not %j', (pattern, text) => {
  expect(wildcard(pattern)(text)).toBe(false)
})

test('it never goes back: what a long text costs does not depend on how it can be divided', () => {
  const matches = wildcard('*a*a*a*a*a*a*a*a*b*a')
  const startedAt = performance.now()
  expect(matches('a'.repeat(1_000_000))).toBe(false)
  expect(performance.now() - startedAt).toBeLessThan(1000)
})
