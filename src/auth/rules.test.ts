import { describe, expect, test } from 'vitest'
import { bitOf, bitsOf, EVERYTHING, NOTHING, type Rule, Rules } from './rules.ts'

const alice = { name: 'alice', groups: [] }
const anybody = { name: undefined, groups: [] }

function rules(...list: Rule[]): Rules {
  return new Rules({ rules: list, groups: { team: ['alice', 'carol'] } })
}

function allowed(book: Rules, subject: { name: string | undefined; groups: string[] }, repository: string) {
  return book.allowed(subject, { key: JSON.stringify(subject), repository })
}

describe('the first rule that names the repository and the user decides', () => {
  const book = rules(
    { repositories: ['secret/**'], who: ['alice'], actions: ['pull'] },
    { repositories: ['secret/**'], who: ['authenticated'], actions: [] },
    { repositories: ['**'], who: ['authenticated'], actions: ['*'] },
  )
  test('also when it gives less than a later one', () => {
    expect(allowed(book, alice, 'secret/plan')).toBe(bitOf('pull'))
    expect(allowed(book, { name: 'bob', groups: [] }, 'secret/plan')).toBe(NOTHING)
    expect(allowed(book, alice, 'open')).toBe(EVERYTHING)
  })

  test('and says which it was', () => {
    expect(book.decide(alice, 'secret/plan').rule).toBe(0)
    expect(book.decide({ name: 'bob', groups: [] }, 'secret/plan').rule).toBe(1)
    expect(book.decide(anybody, 'open')).toEqual({ allowed: NOTHING, rule: undefined })
  })
})

test('without a rule that matches nothing is allowed', () => {
  const book = rules({ repositories: ['a'], who: ['alice'], actions: ['*'] })
  expect(allowed(book, alice, 'b')).toBe(NOTHING)
  expect(allowed(rules(), alice, 'b')).toBe(NOTHING)
})

test('without rules whoever has a name may do everything', () => {
  const book = new Rules({ groups: {} })
  expect(allowed(book, alice, 'a')).toBe(EVERYTHING)
  expect(allowed(book, anybody, 'a')).toBe(NOTHING)
})

test('nobody loses by logging in what anonymous may do', () => {
  const book = rules(
    { repositories: ['public/**'], who: ['anonymous'], actions: ['pull'] },
    { repositories: ['**'], who: ['alice'], actions: ['push'] },
  )
  expect(allowed(book, anybody, 'public/a')).toBe(bitOf('pull'))
  expect(allowed(book, { name: 'bob', groups: [] }, 'public/a')).toBe(bitOf('pull'))
  expect(allowed(book, alice, 'public/a')).toBe(bitsOf(['pull', 'push']))
  expect(allowed(book, anybody, 'private')).toBe(NOTHING)
})

test('groups come from the configuration and from whoever vouches for the user', () => {
  const book = rules({ repositories: ['**'], who: ['group:team'], actions: ['pull'] })
  expect(allowed(book, alice, 'a')).toBe(bitOf('pull'))
  expect(allowed(book, { name: 'bob', groups: ['team'] }, 'a')).toBe(bitOf('pull'))
  expect(allowed(book, { name: 'bob', groups: ['teams'] }, 'a')).toBe(NOTHING)
})

test.each(['group:team', 'authenticated', 'anonymous'])(
  'nobody gets permissions by being called %s',
  (name) => {
    const book = rules(
      { repositories: ['a'], who: ['group:team', 'anonymous'], actions: ['push'] },
      { repositories: ['b'], who: ['authenticated'], actions: ['pull'] },
    )
    expect(book.decide({ name, groups: [] }, 'a').allowed).toBe(NOTHING)
    expect(book.decide({ name, groups: [] }, 'b').allowed).toBe(bitOf('pull'))
  },
)

test.each([
  ['team/*', 'team/a', true],
  ['team/*', 'team/a/b', false],
  ['team/*', 'team', false],
  ['team/**', 'team/a/b', true],
  ['team/**', 'team', false],
  ['team/**', 'teams/a', false],
  ['*', 'a', true],
  ['*', 'a/b', false],
  ['**', 'a/b/c', true],
  ['team-*', 'team-a', true],
  ['**/base', 'a/b/base', true],
  ['**/base', 'base', true],
  ['{a,b}/x', 'b/x', true],
  ['a.b', 'axb', false],
  ['!a', 'b', false],
])('the glob %s on %s: %s', (glob, repository, expected) => {
  const book = rules({ repositories: [glob], who: ['alice'], actions: ['pull'] })
  expect(book.decide(alice, repository).allowed !== NOTHING).toBe(expected)
})

test('a decision is remembered per user and repository, and not mixed up', () => {
  const book = rules(
    { repositories: ['a'], who: ['alice'], actions: ['pull'] },
    { repositories: ['b'], who: ['bob'], actions: ['push'] },
  )
  for (let round = 0; round < 2; round++) {
    expect(allowed(book, alice, 'a')).toBe(bitOf('pull'))
    expect(allowed(book, alice, 'b')).toBe(NOTHING)
    expect(allowed(book, { name: 'bob', groups: [] }, 'b')).toBe(bitOf('push'))
    expect(allowed(book, { name: 'bob', groups: [] }, 'a')).toBe(NOTHING)
  }
})

test('a decision that is remembered does not look at the rules: a thousand cost what one does', () => {
  let looked = 0
  const counted = { repositories: ['**'], who: ['alice'], actions: ['pull'] as const }
  const others = Array.from(
    { length: 999 },
    (_, index): Rule => ({
      repositories: [`other-${index}/**`],
      who: ['alice'],
      actions: ['pull'],
    }),
  )
  const book = rules(...others, counted)
  const decide = book.decide.bind(book)
  book.decide = (...of) => {
    looked += 1
    return decide(...of)
  }
  for (let round = 0; round < 1000; round++) expect(allowed(book, alice, 'a')).toBe(bitOf('pull'))
  expect(looked).toBe(2)
})
