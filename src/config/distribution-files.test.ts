/** Syntax in files for Distribution, and in templates that generate them, beyond plain values. */
import { describe, expect, test } from 'vitest'
import { loadConfig } from './load.ts'
import { ConfigError } from './problems/problem.ts'

function load(text: string, env: Record<string, string> = {}, files: Record<string, string> = {}) {
  const storage = /^storage:/m.test(text) ? '' : 'storage: {inmemory: }\n'
  const all: Record<string, string> = { '/c.yml': `version: 0.1\n${storage}${text}`, ...files }
  return loadConfig({ path: '/c.yml', env, readFile: (path) => all[path] ?? '' })
}

function problemsOf(text: string): [string, string][] {
  try {
    load(text)
    return []
  } catch (error) {
    if (error instanceof ConfigError) return error.problems.map(({ path, message }) => [path, message])
    throw error
  }
}

describe('an empty text counts as absent', () => {
  test.each([
    'proxy: {remoteurl: ""}',
    'http: {addr: "", net: "", host: "", prefix: "", secret: "", draintimeout: "", relativeurls: ""}',
    'http: {tls: {certificate: "", key: "", minimumtls: "", clientauth: ""}}',
    'log: {formatter: "", level: "", accesslog: {disabled: ""}}',
    'loglevel: ""',
    'storage: {inmemory: , cache: {blobdescriptor: "", blobdescriptorsize: ""}}',
    'storage: {filesystem: {rootdirectory: "", maxthreads: ""}}',
    'storage: {inmemory: , maintenance: {uploadpurging: {enabled: "", age: "", interval: ""}}}',
    'catalog: {maxentries: ""}\ntags: {maxtags: ""}',
    'redis: {addr: "", username: "", password: "", db: "", dialtimeout: ""}',
    'validation: {manifests: {indexes: {platforms: ""}}}',
    'health: {storagedriver: {enabled: "", interval: "", threshold: ""}}',
  ])('%s', (text) => {
    const absent = text.replaceAll('""', '~')
    expect(load(text).config).toEqual(load(absent).config)
  })

  test('but not where there must be something', () => {
    expect(problemsOf('auth: {htpasswd: {realm: "", path: ""}}').map(([path]) => path)).toEqual([
      'auth.htpasswd.realm',
      'auth.htpasswd.path',
    ])
  })
})

describe('an endpoint for notifications', () => {
  test('that is disabled needs no url', () => {
    const { config } = load('notifications: {endpoints: [{name: later, disabled: true}, {disabled: true}]}')
    expect(config.notifications.endpoints).toHaveLength(2)
  })

  test('that is not needs one, and a name', () => {
    expect(problemsOf('notifications: {endpoints: [{disabled: false}]}')).toEqual([
      ['notifications.endpoints[0].name', 'found nothing; accepted: a name for the endpoint'],
      ['notifications.endpoints[0].url', 'found nothing; accepted: a URL such as https://example.com'],
    ])
  })
})

describe('a key that begins with x-', () => {
  test('is let through wherever keys are known, and what it holds can be referred to', () => {
    const { config } = load(
      'x-log: &log {level: debug, x-note: ours}\nlog: *log\nhttp: {x-addr: 1}\nauth: {rules: [{x-why: b, repositories: [a], who: [b], actions: []}]}',
    )
    expect(config.log.level).toBe('debug')
  })

  test('is one of the free keys where those are', () => {
    const { config } = load('log: {fields: {x-team: a}}\nhttp: {headers: {x-frame-options: [deny]}}')
    expect([config.log.fields, config.http.headers]).toEqual([
      { 'x-team': 'a' },
      { 'x-frame-options': ['deny'] },
    ])
  })
})

describe('a flag', () => {
  test.each([
    'storage: {inmemory: , delete: {enabled: "true"}}',
    "storage: {inmemory: , delete: {enabled: 'false'}}",
  ])('in quotation marks is refused: %s', (text) => {
    expect(problemsOf(text)).toEqual([
      [
        'storage.delete.enabled',
        expect.stringMatching(/^found "\w+"; accepted: true or false, without quotation marks$/),
      ],
    ])
  })

  test('without them, or in a variable or its file, is one', () => {
    const environments: Record<string, string>[] = [
      {},
      { REGISTRY_STORAGE_DELETE_ENABLED: 'true' },
      { REGISTRY_STORAGE_DELETE_ENABLED_FILE: '/f' },
    ]
    for (const env of environments) {
      const text = `storage: {inmemory: , delete: {enabled: ${Object.keys(env).length === 0}}}`
      expect(load(text, env, { '/f': 'true\n' }).config.storage.delete.enabled).toBe(true)
    }
  })

  test('as a text is text', () => {
    expect(load('http: {secret: "true"}').config.http.secret).toBe('true')
  })
})

test.each([
  ['http: {relativeurls: false}', true],
  ['http: {relativeurls: no, host: "", trustedproxies: []}', true],
  ['http: {relativeurls: false, host: "https://example.com"}', false],
  ['http: {relativeurls: false, trustedproxies: [10.0.0.1]}', false],
  ['http: {relativeurls: true}', false],
  ['http: {addr: ":5000"}', false],
])('%s: URLs after any Host header are warned of: %j', (text, isWarned) => {
  expect(load(text).warnings.some(({ path }) => path === 'http.relativeurls')).toBe(isWarned)
})

describe('a variable', () => {
  test.each([
    '#secret',
    '*secret',
    '|secret',
    '>secret',
    '!secret',
    '&secret',
    'a #b',
    'a: b',
    '@x',
    '%x',
    '{x',
    '"x',
    '- a',
  ])('of a text is text as it is: %s', (secret) => {
    expect(load('', { REGISTRY_HTTP_SECRET: secret }).config.http.secret).toBe(secret)
  })

  test.each([
    ['"#quoted"', '#quoted'],
    ["'12'", '12'],
    ['0012', '0012'],
    ['~', ''],
  ])('may be quoted as in YAML: %s', (written, secret) => {
    expect(load('', { REGISTRY_HTTP_SECRET: written }).config.http.secret).toBe(secret)
  })

  test('of another program does not stop the start', () => {
    const { warnings } = load('', { REGISTRY_AUTH_FILE: '/run/containers/0/auth.json' })
    expect(warnings.map(({ path }) => path)).toEqual(['REGISTRY_AUTH_FILE'])
  })
})

test.each([
  ...['**secret**', 'a**', 'a/**b', '**a', '***', 'a/b**/c'].map((glob) => [glob, false] as const),
  ...['**', 'a/**', '**/a', 'a/**/b', '{a,b}/**', 'a*', '*-b/*'].map((glob) => [glob, true] as const),
])('the pattern %s in a rule is taken: %s', (glob, isTaken) => {
  const rule = `{repositories: ['${glob}'], who: [a], actions: []}`
  expect(problemsOf(`auth: {rules: [${rule}]}`).map(([path]) => path)).toEqual(
    isTaken ? [] : ['auth.rules[0].repositories[0]'],
  )
})
