import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { applyEnvironment } from './environment.ts'
import { parseYaml } from './file.ts'
import { keysOf, pathsOf } from './problems/schema-keys.ts'
import { configSchema } from './schema.ts'
import { emptyTree, type Tree, valueAt } from './tree.ts'

const keys = keysOf(configSchema)

interface Given {
  yaml?: string
  env: Record<string, string>
  files?: Record<string, string>
}

function overlay({ yaml = '{}', env, files = {} }: Given) {
  const readFile = (path: string) => {
    if (files[path] !== undefined) return files[path]
    throw Object.assign(new Error(`ENOENT: no such file, open '${path}'`), { code: 'ENOENT' })
  }
  return applyEnvironment(parseYaml(yaml, 'x.yml').value as Tree, keys, { variables: env, readFile })
}

/** The tree as plain data. */
function treeOf(given: Given): unknown {
  return JSON.parse(JSON.stringify(overlay(given).tree))
}

describe('a variable', () => {
  test('overrides the key it names and leaves the others', () => {
    const yaml = 'storage: {filesystem: {rootdirectory: /a, maxthreads: 5}}'
    const env = { REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: '/somewhere' }
    expect(treeOf({ yaml, env })).toEqual({
      storage: { filesystem: { rootdirectory: '/somewhere', maxthreads: 5 } },
    })
  })

  test.each([
    ['REGISTRY_HTTP_ADDR', ':5001', { http: { addr: ':5001' } }],
    ['REGISTRY_STORAGE_DELETE_ENABLED', 'true', { storage: { delete: { enabled: true } } }],
    ['REGISTRY_HTTP_SECRET', '', { http: { secret: null } }],
    ['REGISTRY_HTTP_SECRET', '"a: b"', { http: { secret: 'a: b' } }],
    [
      'REGISTRY_HTTP_TRUSTEDPROXIES',
      '[10.0.0.0/8, ::1]',
      { http: { trustedproxies: ['10.0.0.0/8', '::1'] } },
    ],
    ['REGISTRY_STORAGE_AZURE_MAX_RETRIES', '7', { storage: { azure: { max_retries: 7 } } }],
    ['REGISTRY_LOG_FIELDS_MY_FIELD', 'x', { log: { fields: { my_field: 'x' } } }],
    [
      'REGISTRY_STORAGE_GCS_CREDENTIALS_PRIVATE_KEY_ID',
      'x',
      { storage: { gcs: { credentials: { private_key_id: 'x' } } } },
    ],
    [
      'REGISTRY_HTTP_HEADERS_X-FRAME-OPTIONS',
      '[DENY]',
      { http: { headers: { 'x-frame-options': ['DENY'] } } },
    ],
    [
      'REGISTRY_HTTP_HEADERS_X-FRAME-OPTIONS_0',
      'DENY',
      { http: { headers: { 'x-frame-options': ['DENY'] } } },
    ],
    [
      'REGISTRY_MIDDLEWARE_STORAGE_0_OPTIONS_BASEURL',
      'x',
      { middleware: { storage: [{ options: { baseurl: 'x' } }] } },
    ],
    ['REGISTRY_HEALTH_FILE_0_FILE', '/x', { health: { file: [{ file: '/x' }] } }],
    ['REGISTRY_HEALTH_FILE', '[{file: /x}]', { health: { file: [{ file: '/x' }] } }],
    ['REGISTRY_LOGLEVEL', 'debug', { loglevel: 'debug' }],
  ])('%s=%s', (name, value, expected) => {
    expect(treeOf({ env: { [name]: value } })).toEqual(expected)
  })

  test.each([
    ['REGISTRY_NOTIFICATIONS_EVENTCONFIG_INCLUDEREFERENCES', 'notifications.events.includereferences'],
    ['REGISTRY_HEALTH_FILECHECKERS_0_FILE', 'health.file[0].file'],
    ['REGISTRY_HEALTH_HTTPCHECKERS_0_URI', 'health.http[0].uri'],
    ['REGISTRY_HEALTH_TCPCHECKERS_0_ADDR', 'health.tcp[0].addr'],
    ['REGISTRY_REDIS_OPTIONS_ADDRS_0', 'redis.addrs[0]'],
    ['REGISTRY_LOG_HOOKS_0_MAILOPTIONS_FROM', 'log.hooks[0].options.from'],
    ['REGISTRY_COMPATIBILITY_SCHEMA1_TRUSTKEY', 'compatibility.schema1.signingkeyfile'],
  ])('%s, as Distribution spells it, is %s', (name, path) => {
    expect([...overlay({ env: { [name]: '1' } }).origins]).toEqual([[path, name]])
  })

  test('that finds a header in another case replaces it', () => {
    const yaml = 'http: {headers: {X-Frame-Options: [DENY]}}'
    expect(treeOf({ yaml, env: { 'REGISTRY_HTTP_HEADERS_X-FRAME-OPTIONS_0': 'SAMEORIGIN' } })).toEqual({
      http: { headers: { 'X-Frame-Options': ['SAMEORIGIN'] } },
    })
  })

  test('that is not YAML is a problem of that variable', () => {
    const { problems } = overlay({ env: { REGISTRY_PROXY: '@x' } })
    expect(problems).toMatchObject([{ path: 'REGISTRY_PROXY:1:1' }])
  })

  test('has no key that reaches a prototype', () => {
    const { problems } = overlay({ env: { REGISTRY_LOG_FIELDS: '{constructor: {a: 1}}' } })
    expect(problems).toEqual([{ path: 'REGISTRY_LOG_FIELDS', message: 'constructor: unknown key' }])
  })

  test('set twice, under two names, is a problem', () => {
    const env = { REGISTRY_REDIS_DB: '1', REGISTRY_REDIS_OPTIONS_DB: '2' }
    expect(overlay({ env }).problems).toEqual([
      { path: 'REGISTRY_REDIS_OPTIONS_DB', message: 'sets redis.db, which REGISTRY_REDIS_DB sets too' },
    ])
  })
})

describe('a list', () => {
  const entry = (index: number) => `REGISTRY_HTTP_TRUSTEDPROXIES_${index}`

  test('takes entries in their order, ten after nine', () => {
    const env = Object.fromEntries(
      Array.from({ length: 12 }, (_, index) => [entry(index), `10.0.0.${index}`]).reverse(),
    )
    const expected = Array.from({ length: 12 }, (_, index) => `10.0.0.${index}`)
    expect(treeOf({ env })).toEqual({ http: { trustedproxies: expected } })
  })

  test('has no gaps', () => {
    const { problems, tree } = overlay({ yaml: 'http: {trustedproxies: [::1]}', env: { [entry(2)]: '::2' } })
    expect(problems).toMatchObject([{ path: entry(2) }])
    expect(valueAt(tree, ['http', 'trustedproxies'])).toEqual(['::1'])
  })

  test('is replaced whole by a list', () => {
    const given = {
      yaml: 'http: {trustedproxies: [::1]}',
      env: { REGISTRY_HTTP_TRUSTEDPROXIES: '[]', [entry(0)]: '::2' },
    }
    expect(treeOf(given)).toEqual({ http: { trustedproxies: ['::2'] } })
  })
})

describe('a section', () => {
  const yaml = 'storage: {filesystem: {rootdirectory: /a}, delete: {enabled: true}}'

  test('is replaced by a word, and what is set in it comes after', () => {
    const env = { REGISTRY_STORAGE_S3_BUCKET: 'b', REGISTRY_STORAGE: 's3' }
    expect(treeOf({ yaml, env })).toEqual({ storage: { s3: { bucket: 'b' } } })
  })

  test('that is a word in the file takes keys', () => {
    const env = { REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: '/b' }
    expect(treeOf({ yaml: 'storage: filesystem', env })).toEqual({
      storage: { filesystem: { rootdirectory: '/b' } },
    })
  })

  test('that is something else does not', () => {
    const { problems } = overlay({ yaml: 'http: 5', env: { REGISTRY_HTTP_ADDR: ':1' } })
    expect(problems).toMatchObject([
      { path: 'REGISTRY_HTTP_ADDR', message: expect.stringContaining('http.addr') },
    ])
  })

  test('that is null does', () => {
    expect(treeOf({ yaml: 'http:', env: { REGISTRY_HTTP_ADDR: ':1' } })).toEqual({ http: { addr: ':1' } })
  })
})

describe('a variable that names a file', () => {
  test('takes text as it stands there, without the last line end', () => {
    const given = { env: { REGISTRY_HTTP_SECRET_FILE: '/s' }, files: { '/s': '@ "x": #y \n' } }
    expect(treeOf(given)).toEqual({ http: { secret: '@ "x": #y ' } })
  })

  test('takes YAML where more than text belongs', () => {
    const given = { env: { REGISTRY_REDIS_ADDRS_FILE: '/s' }, files: { '/s': '[a:1, b:2]\n' } }
    expect(treeOf(given)).toEqual({ redis: { addrs: ['a:1', 'b:2'] } })
  })

  test('reaches an entry of a list of headers', () => {
    const given = {
      env: { REGISTRY_NOTIFICATIONS_ENDPOINTS_0_HEADERS_AUTHORIZATION_0_FILE: '/s' },
      files: { '/s': 'Bearer x' },
    }
    expect(treeOf(given)).toEqual({
      notifications: { endpoints: [{ headers: { authorization: ['Bearer x'] } }] },
    })
  })

  test('must be able to read it', () => {
    const { problems } = overlay({ env: { REGISTRY_HTTP_SECRET_FILE: '/none' } })
    expect(problems).toMatchObject([
      { path: 'REGISTRY_HTTP_SECRET_FILE', message: expect.stringContaining('/none') },
    ])
  })

  test('excludes the one with the value', () => {
    const env = { REGISTRY_HTTP_SECRET_FILE: '/s', REGISTRY_HTTP_SECRET: 'x' }
    expect(overlay({ env, files: { '/s': 'y' } }).problems).toHaveLength(1)
  })
})

describe('a variable that names no key', () => {
  test('warns with the nearest that does', () => {
    const { warnings, tree } = overlay({ env: { REGISTRY_HTTP_ADRR: ':1', REGISTRY_FOO: 'x', OTHER: 'y' } })
    expect(warnings).toEqual([
      { path: 'REGISTRY_FOO', message: 'names no key and is ignored' },
      {
        path: 'REGISTRY_HTTP_ADRR',
        message: 'names no key and is ignored; did you mean REGISTRY_HTTP_ADDR?',
      },
    ])
    expect(tree).toEqual(emptyTree())
  })

  test('is not mentioned when Kubernetes sets it for a service of that name', () => {
    const names = [
      'SERVICE_HOST',
      'SERVICE_PORT',
      'SERVICE_PORT_HTTP',
      'PORT',
      'PORT_5000_TCP',
      'PORT_5000_TCP_ADDR',
    ]
    const prefixes = ['REGISTRY_', 'REGISTRY_AUTH_', 'REGISTRY_REDIS_', 'REGISTRY_STORAGE_']
    const env = Object.fromEntries(
      prefixes.flatMap((prefix) => names.map((name) => [prefix + name, 'tcp://10.0.0.1:5000'])),
    )
    expect(overlay({ env })).toEqual({ tree: emptyTree(), problems: [], warnings: [], origins: new Map() })
  })

  test('is not mentioned when it has another use', () => {
    const env = { REGISTRY_CONFIGURATION_PATH: '/x', REGISTRY_VERSION: '2.8.2' }
    expect(overlay({ env })).toMatchObject({ problems: [], warnings: [] })
  })
})

describe('for any key', () => {
  const paths = [...pathsOf(keys)].filter((path) => path[0] !== 'version' && !path.includes('*'))

  test('the environment says the same as the file', () => {
    fc.assert(
      fc.property(
        fc.constantFrom(...paths),
        fc.constantFrom('5', 'true', 'word', '[a, b]', '{a: b}', '~'),
        (path, text) => {
          const yaml = path.reduceRight(
            (inner, step) => (step === '0' ? `[${inner}]` : `{${step}: ${inner}}`),
            text,
          )
          const { tree, problems } = overlay({ env: { [`REGISTRY_${path.join('_').toUpperCase()}`]: text } })
          expect(problems).toEqual([])
          expect(tree).toEqual(overlay({ yaml, env: {} }).tree)
        },
      ),
      { numRuns: 500 },
    )
  })

  test('the order of the variables does not matter', () => {
    const names = fc.uniqueArray(fc.constantFrom(...paths), { minLength: 2, maxLength: 6 })
    fc.assert(
      fc.property(names, (chosen) => {
        const entries = chosen.map((path) => [`REGISTRY_${path.join('_').toUpperCase()}`, '5'] as const)
        const [forward, backward] = [entries, [...entries].reverse()].map((e) =>
          overlay({ env: Object.fromEntries(e) }),
        )
        expect(forward).toEqual(backward)
      }),
    )
  })
})

test('no environment whatever throws or reaches a prototype', () => {
  const step = fc.oneof(
    fc.constantFrom(
      'HTTP',
      'HEADERS',
      'LOG',
      'FIELDS',
      'STORAGE',
      'GCS',
      'CREDENTIALS',
      '0',
      '__PROTO__',
      '__proto__',
    ),
    fc.constantFrom('CONSTRUCTOR', 'PROTOTYPE', 'FILE', 'MIDDLEWARE', 'OPTIONS', ''),
    fc.string({ maxLength: 5 }),
  )
  const name = fc.array(step, { maxLength: 6 }).map((steps) => `REGISTRY_${steps.join('_')}`)
  const value = fc.oneof(
    fc.string(),
    fc.constantFrom('{__proto__: {polluted: 1}}', '{constructor: {prototype: {polluted: 1}}}'),
  )
  fc.assert(
    fc.property(
      fc.dictionary(name, value),
      fc.constantFrom('{}', 'storage: gcs', 'log: {fields: {a: 1}}'),
      (env, yaml) => {
        overlay({ yaml, env })
        expect(({} as Record<string, unknown>).polluted).toBeUndefined()
      },
    ),
    { numRuns: 1000 },
  )
})
