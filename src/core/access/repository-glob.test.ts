import { expect, it } from 'vitest'
import { globMatcher, isPlainRepositoryGlob, isRepositoryGlob } from './repository-glob.ts'

const MAX_MS = 1_000

it('a glob with several backslashes is none, and matches nothing', () => {
  for (const glob of ['a\\\\\\', 'team/**\\\\\\\\', '\\\\\\']) {
    expect(isRepositoryGlob(glob)).toBe(false)
    expect(globMatcher([glob])('a')).toBe(false)
  }
  expect(isRepositoryGlob('team/\\*')).toBe(true)
})

it('a plain glob has names, slashes and few stars', () => {
  for (const glob of ['team/web', '**', 'team/**', 'team-1/*/a_b.c', '*-base', '**/*/*'])
    expect([glob, isPlainRepositoryGlob(glob)]).toEqual([glob, true])
  for (const glob of [
    '',
    'a**',
    '+(a*)b',
    '(a|aa)+b',
    '{a,b}',
    '[a]',
    'a?',
    '!a',
    'a\\b',
    '*a*a*a*',
    'a'.repeat(256),
  ])
    expect([glob, isPlainRepositoryGlob(glob)]).toEqual([glob, false])
})

it('a plain glob is compared with the longest names soon', () => {
  const globs = ['*a*a*a', '**/*a*', '**/a/**/a/**', '*/*/*', '**/**/**']
  const matches = globMatcher(globs.map((glob) => `${glob}b`))
  expect(globs.every(isPlainRepositoryGlob)).toBe(true)
  const since = performance.now()
  for (const name of ['a'.repeat(255), 'a/'.repeat(127), `${'a'.repeat(120)}/`.repeat(2)]) matches(name)
  expect(performance.now() - since).toBeLessThan(MAX_MS)
})
