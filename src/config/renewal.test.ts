import { expect, test } from 'vitest'
import { loadConfig } from './load.ts'
import { RestartNeededError, renewed } from './renewal.ts'

const treeOf = (auth: string, more = '') =>
  loadConfig({
    path: 'config.yml',
    env: {},
    readFile: () => `version: 0.1\nstorage: inmemory\nauth:\n${auth}\n${more}`,
  }).tree

const users = '  htpasswd: {realm: here, path: /users}\n'
const robots = '  robots: {path: /robots}\n'
const rule = (who: string) => `{repositories: ['**'], who: [${who}], actions: [pull]}`
const rules = (...who: string[]) => `  rules: [${who.map(rule).join(', ')}]\n`
const groups = (names: string) => `  groups: {${names}}\n`

const inForce = treeOf(users + robots + groups('team: [alice], bad: [bob]') + rules('group:team'))

test.each([
  ['the rules', users + robots + groups('team: [alice], bad: [bob]'), 'auth.rules'],
  ['what is below rules:', `${users}${robots}${groups('team: [alice]')}  rules:`, 'auth.rules'],
  ['users', robots + groups('team: [alice]') + rules('alice'), 'auth.htpasswd'],
  ['robots', users + groups('team: [alice]') + rules('alice'), 'auth.robots'],
  ['all groups', users + robots + rules('alice'), 'auth.groups'],
  ['what is below groups:', `${users}${robots}  groups:\n${rules('alice')}`, 'auth.groups'],
  ['a group that a rule names', users + robots + groups('team: [a]') + rules('group:bad'), 'auth.groups.bad'],
  ['several', groups('team: [alice]'), 'auth.htpasswd, auth.robots, auth.rules'],
  ['auth', '  none: {}', 'auth.htpasswd, auth.robots, auth.groups, auth.rules'],
])('%s cannot be taken away', (_what, auth, keys) => {
  expect(() => renewed(inForce, treeOf(auth))).toThrow(new RestartNeededError(`removed: ${keys}`))
})

test('a configuration without auth is refused, too', () => {
  const next = loadConfig({ path: 'x', env: {}, readFile: () => 'version: 0.1\nstorage: inmemory' }).tree
  expect(() => renewed(inForce, next)).toThrow(RestartNeededError)
})

test('rules and groups are renewed, down to none; the rest stays as it was', () => {
  const next = treeOf(
    `${users.replace('/users', '/others')}${robots}${groups('team: [carol]')}${rules('group:team', 'bob')}`,
    'http: {addr: ":1"}',
  )
  const { config, tree } = renewed(inForce, next)
  expect(config.auth).toMatchObject({
    htpasswd: { path: '/users' },
    groups: { team: ['carol'] },
    rules: [{ who: ['group:team'] }, { who: ['bob'] }],
  })
  expect(config.http.addr).not.toBe(':1')
  const none = renewed(tree, treeOf(`${users}${robots}${groups('team: []')}  rules: []`))
  expect(none.config.auth.rules).toEqual([])
  expect(
    renewed(none.tree, treeOf(users + robots + groups('x: [a]') + rules('alice'))).config.auth.rules,
  ).toHaveLength(1)
})

test('rules are added where there were none, and then stay; other keys count later', () => {
  const before = treeOf(users)
  const { tree, config, later } = renewed(before, treeOf(users + robots + rules('alice')))
  expect([config.auth.rules?.length, config.auth.robots, later]).toEqual([1, undefined, ['auth.robots']])
  // Rules that were never in force can be removed again.
  expect(renewed(tree, treeOf(users + rules('bob'))).later).toEqual([])
  expect(() => renewed(tree, treeOf(users))).toThrow('removed: auth.rules')
})
