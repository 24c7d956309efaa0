import { expect, test } from 'vitest'
import { parsePasswordFile, STANDARD_COST, withPassword } from './htpasswd-file.ts'

const bcrypt = (cost: string, letter = 'a') => `$2y$${cost}$${letter.repeat(53)}`

test('users and their hashes, of every kind of bcrypt that is sound', () => {
  const text = `# people\n\nalice:${bcrypt('05')}\n  bob:${bcrypt('12').replace('2y', '2a')}  \r\ncarol:${bcrypt('10').replace('2y', '2b')}`
  const { hashes, highestCost, problems } = parsePasswordFile(text)
  expect([...hashes.keys()]).toEqual(['alice', 'bob', 'carol'])
  expect(hashes.get('bob')).toBe(bcrypt('12').replace('2y', '2a'))
  expect(highestCost).toBe(12)
  expect(problems).toEqual([])
})

test('what lets nobody in is reported with its line, and without its hash', () => {
  const text = [
    `alice:${bcrypt('05')}`,
    'no colon',
    ':$2y$05$x',
    'bob:$apr1$salt$secrethash',
    'carol:{SHA}secrethash=',
    'dave:$6$salt$secrethash',
    'erin:secrethash',
    'frank:$2y$05$secrethash',
    `grace:${bcrypt('31')}`,
  ].join('\n')
  const { hashes, problems } = parsePasswordFile(text)
  expect([...hashes.keys()]).toEqual(['alice'])
  expect(problems.map(({ line }) => line)).toEqual([2, 3, 4, 5, 6, 7, 8, 9])
  expect(problems[2]?.message).toBe('the password of bob is not hashed with bcrypt but with MD5 (apr1)')
  expect(JSON.stringify(problems)).not.toContain('secrethash')
})

test('of several lines of a user the last counts, and it is said', () => {
  const { hashes, problems } = parsePasswordFile(`a:${bcrypt('05', 'a')}\na:${bcrypt('05', 'b')}`)
  expect(hashes.get('a')).toBe(bcrypt('05', 'b'))
  expect(problems).toMatchObject([{ line: 2 }])
})

test('a file of nobody', () => {
  expect(parsePasswordFile('')).toEqual({
    hashes: new Map(),
    highestCost: STANDARD_COST,
    problems: [],
    locked: new Set(),
    isCutOff: false,
  })
})

test('a user is locked out by a mark in place of the hash, or before it, as the last line has it', () => {
  const text = `a:!\nb:*\nc:!${bcrypt('05')}\nd:!\nd:${bcrypt('05')}\ne:${bcrypt('05')}\ne:!\n`
  const { hashes, locked, problems } = parsePasswordFile(text)
  expect([...locked]).toEqual(['a', 'b', 'c', 'e'])
  expect([...hashes.keys()]).toEqual(['d'])
  expect(problems.map(({ line }) => line)).toEqual([5, 7])
})

test('wherever its last line is cut off, it is seen; a line without an end may be whole', () => {
  const text = `# people\nalice:${bcrypt('05')}\nbob:${bcrypt('05')}`
  const bob = text.indexOf('bob')
  for (let length = bob + 1; length < text.length; length++)
    expect([length, parsePasswordFile(text.slice(0, length)).isCutOff]).toEqual([length, true])
  for (const whole of [text, `${text}\n`, text.slice(0, bob), '# people', `${text}\n# the end`])
    expect(parsePasswordFile(whole).isCutOff).toBe(false)
  expect(parsePasswordFile(`bad\n${text}`).isCutOff).toBe(false)
})

test('a file of very many users is read', () => {
  const lines = Array.from({ length: 200_000 }, (_, index) => `user${index}:${bcrypt('05')}`)
  expect(parsePasswordFile(lines.join('\n'))).toMatchObject({ highestCost: 5, problems: [] })
})

test.each([
  ['', 'alice:new\n'],
  ['bob:1\n', 'bob:1\nalice:new\n'],
  ['bob:1', 'bob:1\nalice:new\n'],
  ['# all\nalice:1\n\nbob:2\n', '# all\nalice:new\n\nbob:2\n'],
  ['alice:1\nbob:2\nalice:3\n', 'bob:2\nalice:new\n'],
  ['alicea:1\n#alice:2\n', 'alicea:1\n#alice:2\nalice:new\n'],
])('a password is set in %j', (before, after) => {
  expect(withPassword(before, { user: 'alice', hash: 'new' })).toBe(after)
})
