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

test('retention has a schedule, and rules of what to keep and what to delete', () => {
  const rules =
    '[{repositories: [a], keep: {newest: 3, youngerthan: 24h}}, {repositories: [b], tags: [x-*], delete: {olderthan: 0s}}]'
  expect(load(`policies: {retention: {rules: ${rules}}}`).policies.retention).toEqual({
    schedule: '0 4 * * *',
    dryrun: false,
    rules: [
      { repositories: ['a'], tags: ['*'], keep: { always: false, newest: 3, youngerthan: 86_400_000 } },
      { repositories: ['b'], tags: ['x-*'], delete: { olderthan: 0 } },
    ],
  })
  expect(load('').policies.retention.rules).toEqual([])
})

test('history and pulls have defaults', () => {
  const day = 86_400_000
  expect(load('').policies.history).toEqual({
    enabled: false,
    window: 14 * day,
    entries: 100,
    age: 365 * day,
  })
  expect(load('policies: {pulls: {enabled: true, except: [scanner]}}').policies.pulls).toEqual({
    ...{ enabled: true, interval: 300_000, except: ['scanner'] },
  })
})

test('a quota is one of repositories or of an organisation', () => {
  const quotas = '[{repositories: ["**"], bytes: 1MiB}, {organisation: team, tags: 10}]'
  expect(load(`policies: {quotas: ${quotas}}`).policies.quotas).toEqual([
    { repositories: ['**'], bytes: 1024 ** 2 },
    { organisation: 'team', tags: 10 },
  ])
})

test.each([
  ['policies: {quotas: [{repositories: [a]}]}', 'policies.quotas[0]'],
  ['policies: {quotas: [{bytes: 1MiB}]}', 'policies.quotas[0]'],
  ['policies: {quotas: [{organisation: a, repositories: [a], tags: 1}]}', 'policies.quotas[0]'],
  ['policies: {pulls: {interval: 10ms}}', 'policies.pulls.interval'],
  ['policies: {history: {entries: 0}}', 'policies.history.entries'],
  ['policies: {retention: {rules: [{repositories: [a]}]}}', 'policies.retention.rules[0]'],
  ['policies: {retention: {rules: [{repositories: [a], keep: {}}]}}', 'policies.retention.rules[0].keep'],
  [
    'policies: {retention: {rules: [{repositories: [a], delete: {}}]}}',
    'policies.retention.rules[0].delete.olderthan',
  ],
  [
    'policies: {retention: {rules: [{repositories: [a], keep: {newest: 0}}]}}',
    'policies.retention.rules[0].keep.newest',
  ],
  ['policies: {retention: {rules: [{delete: {olderthan: 0s}}]}}', 'policies.retention.rules[0].repositories'],
  ['policies: {retention: {schedule: nightly}}', 'policies.retention.schedule'],
  ['policies: {immutable: [{}]}', 'policies.immutable[0].repositories'],
  ['policies: {immutable: [{repositories: []}]}', 'policies.immutable[0].repositories'],
  ['policies: {immutable: [{repositories: [a**]}]}', 'policies.immutable[0].repositories[0]'],
  ['policies: {immutable: [{repositories: [a], tags: [a/b]}]}', 'policies.immutable[0].tags[0]'],
  ['policies: {immutable: [{repositories: [a], tags: [""]}]}', 'policies.immutable[0].tags[0]'],
  ['policies: {immutable: [{repositories: [a], deletable: "true"}]}', 'policies.immutable[0].deletable'],
])('%s is refused', (text, path) => {
  expect(problemsOf(text)).toEqual([path])
})
