/** The section `auth`: its forms, and which parts exclude each other. */
import { expect, test } from 'vitest'
import { ConfigError, loadConfig } from './load.ts'

function load(auth: string, env: Record<string, string> = {}) {
  const text = `version: 0.1\nstorage: inmemory\nauth:${auth}`
  return loadConfig({ path: 'config.yml', env, readFile: () => text }).config.auth
}

function problemsOf(auth: string): Record<string, string> {
  try {
    load(auth)
  } catch (error) {
    if (error instanceof ConfigError)
      return Object.fromEntries(error.problems.map((p) => [p.path, p.message]))
    throw error
  }
  return {}
}

const htpasswd = '\n  htpasswd: {realm: here, path: /users}'
const token = '\n  token: {realm: https://a, service: b, issuer: c, jwks: /keys}'
const issuer = '\n  issuer: {keys: /keys}'
const oidc = '\n  oidc: [{issuer: https://gitlab.example.com, audience: https://registry.example.com}]'
const robots = '\n  robots: {path: /robots}'
const rules = '\n  rules: [{repositories: ["**"], who: [alice], actions: [pull]}]'

test('the defaults of what is there', () => {
  expect(load(htpasswd + issuer + oidc + robots + rules)).toMatchObject({
    htpasswd: { realm: 'here', path: '/users' },
    issuer: {
      service: 'entrepot',
      issuer: 'entrepot',
      keys: '/keys',
      rotation: 30 * 24 * 3600 * 1000,
    },
    oidc: [{ prefix: 'oidc:', claims: { user: 'sub', groups: [], require: {} } }],
    robots: { path: '/robots' },
    rules: [{ repositories: ['**'], who: ['alice'], actions: ['pull'] }],
    groups: {},
  })
})

test('rules that are empty are not rules that are missing', () => {
  expect(load(htpasswd).rules).toBeUndefined()
  expect(load(`${htpasswd}\n  rules:`).rules).toEqual([])
  expect(load(`${htpasswd}\n  rules: []`).rules).toEqual([])
})

test.each([
  [' none'],
  [' {none: {}}'],
  [`\n  none: {}${rules}`],
  [rules],
  [htpasswd],
  [htpasswd + rules],
  [htpasswd + issuer],
  [issuer + robots],
  [issuer + oidc + rules],
  [`${issuer}\n  oidc: [{issuer: https://a, audience: b, claims: {require: {owner: acme}}}]`],
  [htpasswd + robots],
  [robots],
  [token],
  [`${token}\n  audit: {path: stdout}`],
  [`${htpasswd}\n  groups: {team: [alice, bob]}`],
])('goes together: %j', (auth) => {
  expect(problemsOf(auth)).toEqual({})
})

test.each([
  [
    `\n  rules: [{repositories: [${'x'.repeat(4097)}], who: [alice]}]`,
    'auth.rules[0].repositories[0]',
    /of up to 4096 characters/,
  ],
  [htpasswd + token, 'auth', /^found htpasswd and token; accepted: one of/],
  [token + rules, 'auth.rules', /with which it has no effect/],
  [`${token}\n  rules: []`, 'auth.rules', /with which it has no effect/],
  [token + issuer + robots, 'auth.issuer', /with which it has no effect/],
  [token + robots, 'auth.robots', /with which it has no effect/],
  [`\n  none: {}${robots}`, 'auth.robots', /with which it has no effect/],
  [issuer, 'auth.issuer', /found without accounts/],
  [oidc, 'auth.oidc', /without auth\.(issuer|rules)/],
  [
    `${issuer}\n  oidc: [{issuer: https://a, audience: b, prefix: ci}]${rules}`,
    'auth.oidc[0].prefix',
    /ends with a colon/,
  ],
  [issuer + oidc, 'auth.oidc', /without auth\.rules: all jobs/],
  [htpasswd + oidc, 'auth.oidc', /without auth\.(issuer|rules)/],
  [`${htpasswd}\n  certificate: {}`, 'auth.certificate', /without http\.tls\.clientcas/],
  [
    `${issuer}\n  oidc: [{issuer: https://a, audience: b}, {issuer: https://a, audience: b, prefix: 'x:'}]`,
    'auth.oidc',
    /same issuer/,
  ],
  [
    `${issuer}\n  oidc: [{issuer: https://a, audience: b}, {issuer: https://c, audience: b}]`,
    'auth.oidc',
    /same prefix/,
  ],
  [
    `${issuer}\n  oidc: [{issuer: http://gitlab.example.com, audience: b}]`,
    'auth.oidc[0].issuer',
    /accepted: a URL with https/,
  ],
  [
    `${issuer}\n  oidc: [{issuer: https://a}]`,
    'auth.oidc[0].audience',
    /accepted: the audience of its tokens/,
  ],
  [
    `${htpasswd}\n  rules: [{repositories: ["**"], who: [alice], actions: [write]}]`,
    'auth.rules[0].actions[0]',
    /found "write"; accepted: pull, push, delete, tag, \*/,
  ],
  [`${htpasswd}\n  rules: [{repository: a}]`, 'auth.rules[0].repository', /did you mean repositories/],
  [`${htpasswd}\n  issuer: {keys: /k, rotation: 1s}`, 'auth.issuer.rotation', /1m or more/],
  ['\n  token: {realm: https://a, service: b, issuer: c}', 'auth.token', /found no key/],
  [
    '\n  token: {realm: https://a, service: b, issuer: c, jwks: /k, signingalgorithms: [HS256]}',
    'auth.token.signingalgorithms',
    /secret key only/,
  ],
  [
    '\n  token: {realm: https://a, service: b, issuer: c, jwks: /k, signingalgorithms: [none]}',
    'auth.token.signingalgorithms[0]',
    /found "none"/,
  ],
  [`${htpasswd}\n  audit: {}`, 'auth.audit.path', /stdout, or the path of a file/],
])('does not: %j', (auth, path, message) => {
  expect(problemsOf(auth)).toMatchObject({ [path]: expect.stringMatching(message) })
})

test('a rule that could match nobody, or nothing, is a mistake', () => {
  expect(Object.keys(problemsOf(`${htpasswd}\n  rules: [{actions: [pull]}]`))).toEqual([
    'auth.rules[0].repositories',
    'auth.rules[0].who',
  ])
})

test('an algorithm with a secret key is passed over, as no key of it is ever trusted', () => {
  const { token: loaded } = load(
    '\n  token: {realm: https://a, service: b, issuer: c, jwks: /k, signingalgorithms: [HS256, RS256]}',
  )
  expect(loaded?.signingalgorithms).toEqual(['RS256'])
})

test('all problems are reported together', () => {
  expect(
    Object.keys(problemsOf(`${htpasswd + token}\n  oidc: [{issuer: x}]\n  rules: [{actions: [x]}]`)).sort(),
  ).toEqual([
    'auth',
    'auth.oidc',
    'auth.oidc[0].audience',
    'auth.oidc[0].issuer',
    'auth.rules',
    'auth.rules[0].actions[0]',
    'auth.rules[0].repositories',
    'auth.rules[0].who',
  ])
})

test('rules can be set in the environment', () => {
  const env = {
    REGISTRY_AUTH_HTPASSWD_REALM: 'there',
    REGISTRY_AUTH_RULES: '[{repositories: [a], who: [bob], actions: ["*"]}]',
    REGISTRY_AUTH_RULES_0_WHO_1: 'carol',
    REGISTRY_AUTH_GROUPS_TEAM: '[alice]',
  }
  expect(load(htpasswd, env)).toMatchObject({
    htpasswd: { realm: 'there' },
    rules: [{ repositories: ['a'], who: ['bob', 'carol'], actions: ['*'] }],
    groups: { team: ['alice'] },
  })
})
