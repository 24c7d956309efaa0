import { expect, test } from 'vitest'
import { ruleWarnings } from './rule-warnings.ts'
import type { Rule } from './rules.ts'

const platform = {
  issuer: 'https://ci.example.com',
  audience: 'https://registry.example.com',
  prefix: 'ci:',
  claims: { user: 'sub', groups: ['owner'], require: {} },
}

interface Case {
  readonly who?: string
  readonly repositories?: string
  readonly groups?: Record<string, string[]>
  readonly robots?: { readonly path: string }
  readonly certificate?: { readonly user: 'commonname' }
}

function warningsOf({ who = 'alice', repositories = '**', groups = {}, ...rest }: Case) {
  const rules: Rule[] = [{ repositories: repositories.split(' '), who: who.split(' '), actions: ['pull'] }]
  const settings = { rules, groups, oidc: [platform], ...rest }
  return ruleWarnings(settings, (name) => name === 'alice').map(({ key, message }) => `${key}: ${message}`)
}

test.each<[Case, string]>([
  [{ who: 'bob' }, 'auth.rules[0].who[0]: there is no user bob'],
  [{ who: 'alice anonymus' }, 'auth.rules[0].who[1]: there is no user anonymus; did you mean anonymous?'],
  [
    { who: 'Authenticated' },
    'auth.rules[0].who[0]: there is no user Authenticated; did you mean authenticated?',
  ],
  [
    { who: 'group:wep', groups: { web: ['alice'] } },
    'auth.rules[0].who[0]: there is no group wep; did you mean web?',
  ],
  [{ who: 'group:constructor' }, 'auth.rules[0].who[0]: there is no group constructor'],
  [{ groups: { web: ['alice', 'bob'] } }, 'auth.groups.web[1]: there is no user bob'],
  [
    { who: 'robot+deploy', robots: { path: 'robots.json' } },
    'auth.rules[0].who[0]: robot+deploy is a robot, whose own permissions apply instead of rules',
  ],
  [
    { repositories: 'a Team/**' },
    'auth.rules[0].repositories[1]: Team/** has upper-case letters, so it matches no repository',
  ],
  [
    { who: 'anonymus', certificate: { user: 'commonname' } },
    'auth.rules[0].who[0]: there is no user anonymus; did you mean anonymous?',
  ],
])('%j', (settings, warning) => {
  expect(warningsOf(settings)).toEqual([warning])
})

test.each<[Case]>([
  [{ who: 'anonymous authenticated alice ci:acme/app group:ci:acme' }],
  [{ who: 'group:web', groups: { web: ['alice'] } }],
  [{ who: 'bob', certificate: { user: 'commonname' } }],
])('%j has nothing to be said of', (settings) => {
  expect(warningsOf(settings)).toEqual([])
})

test('as many as somebody reads are said', () => {
  const who = Array.from({ length: 1000 }, (_, index) => `user${index}`).join(' ')
  expect(warningsOf({ who })).toHaveLength(100)
})
