import { expect, test } from 'vitest'
import { ConfigError, loadConfig } from './load.ts'

function load(text: string) {
  const file = `version: 0.1\nstorage: {inmemory: }\n${text}`
  return loadConfig({ path: 'config.yml', env: {}, readFile: () => file }).config
}

function problemsOf(text: string): string[] {
  try {
    load(text)
    return []
  } catch (error) {
    if (!(error instanceof ConfigError)) throw error
    return error.problems.map(({ path }) => path)
  }
}

test('an immutable rule is for all tags unless it names some, and forbids to delete them', () => {
  const { policies } = load('policies: {immutable: [{repositories: [team/**]}]}')
  const rule = { repositories: ['team/**'], tags: ['*'], deletable: false, expirable: false }
  expect(policies.immutable).toEqual([rule])
  expect(load('').policies.immutable).toEqual([])
})

test.each([
  ['policies: {immutable: [{}]}', 'policies.immutable[0].repositories'],
  ['policies: {immutable: [{repositories: []}]}', 'policies.immutable[0].repositories'],
  ['policies: {immutable: [{repositories: [a**]}]}', 'policies.immutable[0].repositories[0]'],
  ['policies: {immutable: [{repositories: [a], tags: [a/b]}]}', 'policies.immutable[0].tags[0]'],
  ['policies: {immutable: [{repositories: [a], tags: [""]}]}', 'policies.immutable[0].tags[0]'],
  ['policies: {immutable: [{repositories: [a], deletable: "true"}]}', 'policies.immutable[0].deletable'],
])('%s is refused', (text, path) => {
  expect(problemsOf(text)).toEqual([path])
})
