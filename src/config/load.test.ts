import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { describe, expect, test } from 'vitest'
import { configOf, type LoadedConfig, loadConfig, SEARCHED_PATHS } from './load.ts'
import { ConfigError, type ConfigProblem } from './problems/problem.ts'
import { keysOf, pathsOf } from './problems/schema-keys.ts'
import { configSchema } from './schema.ts'
import { assign, emptyTree, type TreeValue } from './tree.ts'

const repository = resolve(import.meta.dirname, '../..')

/** A machine with these files and variables. */
interface Machine {
  files?: Record<string, string>
  env?: Record<string, string>
  path?: string
}

function load({ files = {}, env = {}, path }: Machine): LoadedConfig {
  const readFile = (name: string) => {
    if (files[name] !== undefined) return files[name]
    throw Object.assign(new Error(`ENOENT: no such file or directory, open '${name}'`), { code: 'ENOENT' })
  }
  return loadConfig({ path, env, readFile })
}

/** Loads text, completed with the version and a storage unless it has them. */
function loadText(text: string, env: Record<string, string> = {}) {
  const storage = /^storage:/m.test(text) ? '' : 'storage: {inmemory: }\n'
  return load({ path: '/c.yml', files: { '/c.yml': `version: 0.1\n${storage}${text}` }, env })
}

function problemsOf(action: () => unknown): readonly ConfigProblem[] {
  try {
    action()
  } catch (error) {
    if (error instanceof ConfigError) return error.problems
    throw error
  }
  return []
}

const minimal = 'version: 0.1\nstorage: inmemory'

describe('the file', () => {
  test('is the one that is named, then the one of the variable, then the first that is there', () => {
    const files = {
      '/named.yml': minimal,
      '/variable.yml': minimal,
      [SEARCHED_PATHS[1]!]: minimal,
      [SEARCHED_PATHS[2]!]: minimal,
    }
    const env = { REGISTRY_CONFIGURATION_PATH: '/variable.yml' }
    expect(load({ files, env, path: '/named.yml' }).source).toBe('/named.yml')
    expect(load({ files, env }).source).toBe('/variable.yml')
    expect(load({ files }).source).toBe('/etc/distribution/config.yml')
  })

  test.each([{ path: '/none.yml' }, { env: { REGISTRY_CONFIGURATION_PATH: '/none.yml' } }])(
    'must be there when it is named: %j',
    (machine) => {
      const files = { [SEARCHED_PATHS[0]!]: minimal }
      expect(problemsOf(() => load({ files, ...machine }))).toEqual([
        { path: '/none.yml', message: 'cannot be read: no such file' },
      ])
    },
  )

  test('that is there and cannot be read is not passed over', () => {
    const readFile = (): string => {
      throw Object.assign(new Error('EACCES: permission denied'), { code: 'EACCES' })
    }
    expect(problemsOf(() => loadConfig({ env: {}, readFile }))).toMatchObject([
      { path: '/etc/entrepot/config.yml' },
    ])
  })
})

describe('without a configuration', () => {
  test('it is a registry for the own machine', () => {
    const { config, source, warnings } = load({})
    expect({ source, warnings }).toEqual({ source: undefined, warnings: [] })
    expect(config).toMatchObject({
      storage: {
        filesystem: { rootdirectory: resolve('data') },
        cache: { blobdescriptor: 'inmemory' },
        delete: { enabled: true },
      },
      http: { addr: '127.0.0.1:5000', net: 'tcp' },
    })
  })

  test('variables still count', () => {
    const env = { REGISTRY_HTTP_ADDR: ':0', REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: '/x' }
    expect(load({ env }).config).toMatchObject({
      http: { addr: ':0' },
      storage: { filesystem: { rootdirectory: '/x' }, delete: { enabled: true } },
    })
  })
})

describe('what a file leaves out', () => {
  test('has its default', () => {
    expect(loadText('storage: {filesystem: }').config).toMatchObject({
      log: { level: 'info', formatter: 'text', accesslog: { disabled: false }, fields: {}, hooks: [] },
      storage: {
        filesystem: { rootdirectory: '/var/lib/registry', maxthreads: 100, quickcalls: 'auto' },
        cache: {
          blobdescriptor: 'inmemory',
          blobdescriptorsize: 10_000,
          ttl: 86_400_000,
          contentsize: 67_108_864,
        },
        delete: { enabled: false },
        redirect: { disable: false },
        maintenance: {
          uploadpurging: { enabled: true, age: 604_800_000, interval: 86_400_000, dryrun: false },
          readonly: { enabled: false },
        },
      },
      http: { prefix: '', relativeurls: true, draintimeout: 30_000, trustedproxies: [], headers: {} },
      catalog: { maxentries: 1000 },
      tags: { maxtags: 1000 },
      proxy: { ttl: 604_800_000, cachewritetimeout: 300_000 },
      mirrors: [],
      mirroring: { folder: '', memory: 100_663_296, maxflights: 64 },
      validation: { disabled: false, manifests: { indexes: { platforms: 'all' } } },
    })
  })

  test('may be written as nothing', () => {
    const { config } = loadText('http:\nlog: {level: , fields: }\ncatalog: {maxentries: ~}\nredis:')
    expect(config).toMatchObject({
      http: { net: 'tcp' },
      log: { level: 'info' },
      catalog: { maxentries: 1000 },
    })
  })
})

describe('a value', () => {
  test.each([
    ['log: {level: WARN}', { log: { level: 'warn' } }],
    ['loglevel: debug', { log: { level: 'debug' } }],
    ['loglevel: debug\nlog: {level: error}', { log: { level: 'error' } }],
    ['log: {accesslog: {disabled: Yes}}', { log: { accesslog: { disabled: true } } }],
    ['http: {secret: 0012}', { http: { secret: '0012' } }],
    ['http: {draintimeout: 1m30s}', { http: { draintimeout: 90_000 } }],
    ['http: {draintimeout: 0}', { http: { draintimeout: 0 } }],
    ['http: {idletimeout: 650s}', { http: { idletimeout: 650_000 } }],
    ['log: {}', { http: { workers: 1 } }],
    ['http: {workers: 4}\nstorage: {filesystem: }', { http: { workers: 4 } }],
    ['http: {workers: Auto}', { http: { workers: 'auto' } }],
    ['http: {prefix: my/registry//}', { http: { prefix: '/my/registry' } }],
    ['http: {prefix: /}', { http: { prefix: '' } }],
    ['http: {net: unix, addr: /run/x.sock}', { http: { net: 'unix', addr: '/run/x.sock' } }],
    [
      'storage: {inmemory: , cache: {layerinfo: inmemory}}',
      { storage: { cache: { blobdescriptor: 'inmemory' } } },
    ],
    ['redis: {addr: "a:6379"}', { storage: { cache: { blobdescriptor: 'redis' } } }],
    ['redis: {addrs: [a, "[::1]:6379"]}', { storage: { cache: { blobdescriptor: 'redis' } } }],
    ['redis: {db: 1}', { storage: { cache: { blobdescriptor: 'inmemory' } } }],
    [
      'storage: {inmemory: , cache: {blobdescriptor: none}}\nredis: {addr: a}',
      { storage: { cache: { blobdescriptor: 'none' } } },
    ],
    [
      'storage: {inmemory: , cache: {blobdescriptor: inmemory, contentsize: 1MiB, ttl: 1h}}\nredis: {addr: a}',
      { storage: { cache: { blobdescriptor: 'inmemory', contentsize: 1_048_576, ttl: 3_600_000 } } },
    ],
    ['catalog: {maxentries: -5}', { catalog: { maxentries: 1000 } }],
    ['validation: {disabled: true}', { validation: { disabled: true } }],
    ['validation: {disabled: true, enabled: true}', { validation: { disabled: false } }],
  ])('%s', (text, expected) => {
    expect(loadText(text).config).toMatchObject(expected)
  })

  test('of http.host is a URL', () => {
    expect(loadText('http: {host: "https://example.com:8443"}').config.http.host).toEqual(
      new URL('https://example.com:8443'),
    )
  })

  test.each([
    ['version: 0.2', 'version', 'found 0.2; accepted: 0.1'],
    ['log: {level: loud}', 'log.level', 'found "loud"; accepted: error, warn, info, debug'],
    ['log: []', 'log', 'found a list; accepted: a map of keys'],
    [
      'http: {addr: 5000}',
      'http.addr',
      'found 5000; accepted: host:port, or a port with nothing but a colon before it, such as :5000',
    ],
    [
      'http: {draintimeout: soon}',
      'http.draintimeout',
      'found "soon"; accepted: a duration such as 168h, 1m30s or 100ms',
    ],
    [
      'http: {draintimeout: -1s}',
      'http.draintimeout',
      'found "-1s"; accepted: a duration such as 168h, 1m30s or 100ms',
    ],
    ['http: {workers: 0}', 'http.workers', 'found 0; accepted: a whole number from 1 to 1024, or auto'],
    ['http: {workers: 1.5}', 'http.workers', 'found 1.5; accepted: a whole number from 1 to 1024, or auto'],
    ['http: {workers: all}', 'http.workers', 'found "all"; accepted: a whole number from 1 to 1024, or auto'],
    [
      'http: {workers: 2}\nstorage: {inmemory: }',
      'http.workers',
      'found 2; accepted: 1 or auto, because storage.inmemory belongs to one process',
    ],
    [
      'http: {debug: {addr: 5001}}',
      'http.debug.addr',
      'found 5001; accepted: host:port, or a port with nothing but a colon before it, such as :5000',
    ],
    [
      'http: {addr: ":5000", debug: {addr: "localhost:5000"}}',
      'http.debug.addr',
      'found "localhost:5000"; accepted: another address than http.addr',
    ],
    [
      'http: {debug: {addr: ":5001", prometheus: {path: metrics}}}',
      'http.debug.prometheus.path',
      'found "metrics"; accepted: a path such as /metrics, which is not that of /debug/health',
    ],
    [
      'http: {debug: {addr: ":5001", prometheus: {path: /debug/health}}}',
      'http.debug.prometheus.path',
      'found "/debug/health"; accepted: a path such as /metrics, which is not that of /debug/health',
    ],
    ['http: {headers: {a: b}}', 'http.headers.a', 'found "b"; accepted: a list'],
    [
      'http: {trustedproxies: [10.0.0.0/33]}',
      'http.trustedproxies[0]',
      'found "10.0.0.0/33"; accepted: an IP address or a CIDR range such as 10.0.0.0/8',
    ],
    ['http: {prefix: "a?b"}', 'http.prefix', 'found "a?b"; accepted: a path such as /registry/'],
    ['tags: {maxtags: -1}', 'tags.maxtags', 'found -1; accepted: a whole number from 0'],
    [
      'storage: {delete: {enabled: true}}',
      'storage',
      'found no driver; accepted: exactly one of filesystem, inmemory, s3, s3aws, azure, gcs',
    ],
    [
      'storage: {inmemory: , filesystem: }',
      'storage',
      'found filesystem and inmemory; accepted: exactly one of filesystem, inmemory, s3, s3aws, azure, gcs',
    ],
    [
      'storage: {gcs: {bucket: a, keyfile: key.json, credentials: {type: service_account}}}',
      'storage.gcs.keyfile',
      'found "key.json"; accepted: nothing beside storage.gcs.credentials',
    ],
    [
      'storage: {gcs: {bucket: a, chunksize: 1000}}',
      'storage.gcs.chunksize',
      'found 1000; accepted: a size in bytes or with a unit, such as 10MiB, at least 256KiB',
    ],
    [
      'validation: {manifests: {urls: {deny: ["("]}}}',
      'validation.manifests.urls.deny[0]',
      'found "("; accepted: a regular expression',
    ],
    [
      'proxy: {remoteurl: "ftp://me:secret@example.com"}',
      'proxy.remoteurl',
      'found "ftp://…@example.com"; accepted: a URL such as https://example.com',
    ],
    ['redis: {db: 1.5}', 'redis.db', 'found 1.5; accepted: a whole number from 0'],
    [
      'storage: {inmemory: , cache: {blobdescriptor: redis}}',
      'redis',
      'found nothing; accepted: a section with addr or addrs: storage.cache.blobdescriptor is redis',
    ],
    [
      'redis: {addrs: ["redis://a:1"]}',
      'redis.addrs[0]',
      'found "redis://a:1"; accepted: an address such as redis.example.com:6379',
    ],
  ])('that is not accepted: %s', (text, path, message) => {
    const action = () =>
      text.startsWith('version')
        ? load({ path: '/c.yml', files: { '/c.yml': `${text}\nstorage: inmemory` } })
        : loadText(text)
    expect(problemsOf(action)).toContainEqual({ path, message })
  })

  test('that a variable set is reported with its name', () => {
    expect(problemsOf(() => loadText('', { REGISTRY_LOG_LEVEL: 'loud' }))).toEqual([
      {
        path: 'log.level',
        message: 'found "loud"; accepted: error, warn, info, debug (set by REGISTRY_LOG_LEVEL)',
      },
    ])
  })
})

describe('a key nobody knows', () => {
  test.each([
    ['storage: {inmemory: , filesystm: {}}', 'storage.filesystm', 'filesystem'],
    ['http: {Addr: ":1"}', 'http.Addr', 'addr'],
    ['readonly: {enabled: true}', 'readonly', 'storage.maintenance.readonly'],
    [
      'notifications: {endpoints: [{name: a, url: "http://a", treshold: 1}]}',
      'notifications.endpoints[0].treshold',
      'threshold',
    ],
    [
      'middleware: {storage: [{name: redirect, options: {baseurl: "http://a", foo: 1}}]}',
      'middleware.storage[0].options.foo',
      '',
    ],
    ['http: {constructor: 1}', 'http.constructor', ''],
    ['log: {fields: {__proto__: {a: 1}}}', 'log.fields.__proto__', ''],
  ])('%s', (text, path, meant) => {
    const message = meant === '' ? 'unknown key' : `unknown key; did you mean ${meant}?`
    expect(problemsOf(() => loadText(text))).toContainEqual({ path, message })
  })
})

test('all problems are reported at once, one a line', () => {
  const text = 'log: {level: loud}\nauth: {htpasswd: {realm: a}}\nfoo: 1\nhttp: {addr: x}'
  const env = { REGISTRY_HTTP_SECRET_FILE: '/none', REGISTRY_STORAGE_DELETE_ENABLED: 'maybe' }
  const paths = problemsOf(() => loadText(text, env)).map(({ path }) => path)
  expect(paths.sort()).toEqual([
    'REGISTRY_HTTP_SECRET_FILE',
    'auth.htpasswd.path',
    'foo',
    'http.addr',
    'log.level',
    'storage.delete.enabled',
  ])
  expect(() => loadText(text, env)).toThrow(/^log\.level: found "loud".*\n.*: /m)
})

test('a secret is not quoted', () => {
  const text =
    'proxy: {password: [hunter2], remoteurl: "ftp://me:hunter2@example.com"}\nredis: {password: {a: hunter2}}'
  const problems = problemsOf(() => loadText(text))
  expect(problems.length).toBeGreaterThanOrEqual(3)
  expect(JSON.stringify(problems)).not.toContain('hunter2')
})

describe('what is not supported', () => {
  test.each([
    ['storage', { swift: { authurl: 'a' } }, 'storage.swift'],
    ['policy', { repository: { classes: ['image'] } }, 'policy.repository.classes'],
  ])('refuses to start where it decides who may do what or where bytes go: %s %j', (section, value, path) => {
    const problems = problemsOf(() => loadText(`${section}: ${JSON.stringify(value)}`))
    expect(problems).toContainEqual({ path, message: expect.stringContaining('not supported') })
  })

  test.each([
    ['storage: {inmemory: , tag: {concurrencylimit: 8}}', 'storage.tag.concurrencylimit'],
    ['http: {debug: {addr: ":5001"}}', 'http.debug'],
    [
      'http: {tls: {ciphersuites: [TLS_RSA_WITH_3DES_EDE_CBC_SHA, TLS_AES_128_GCM_SHA256]}}',
      'http.tls.ciphersuites',
    ],
    ['http: {debug: {addr: ":5001", prometheus: {enabled: false}}}', 'http.debug'],
    ['http: {debug: {prometheus: {enabled: true}}}', 'http.debug'],
    ['http: {debug: {addr: "", prometheus: {enabled: true}}}', 'http.debug'],
    ['http: {host: registry.example.com}', 'http.host'],
    ['log: {hooks: [{type: mail}]}', 'log.hooks'],
    ['reporting: {bugsnag: {apikey: a}}', 'reporting'],
    [
      'compatibility: {schema1: {enabled: true, signingkeyfile: /key.pem}}',
      'compatibility.schema1.signingkeyfile',
    ],
  ])('else warns: %s', (text, path) => {
    expect(loadText(text).warnings).toEqual([{ path, message: expect.any(String) }])
  })

  test.each([
    'auth: none',
    'auth: {none: {}}',
    'http: {tls: {minimumtls: tls1.2}, http2: {disabled: true}, h2c: {enabled: false}, secret: a}',
    'health: {storagedriver: {enabled: true, interval: 10s, threshold: 3}, tcp: [{addr: "localhost:6379"}]}',
    'http: {debug: {addr: ":5001", prometheus: {enabled: true, path: /metrics}}}',
    'http: {debug: {addr: "", prometheus: {enabled: no}}}',
    'notifications: {endpoints: [{name: a, url: "http://a", disabled: Yes}]}',
    'middleware: {storage: [{name: redirect, disabled: true, options: {foo: 1}}], registry: [{name: a, disabled: on}]}',
    'log: {hooks: [{type: mail, disabled: true}]}',
    'proxy: {ttl: 168h}',
    'proxy: {remoteurl: "https://registry-1.docker.io", username: a, password: b}',
    'mirrors: [{upstream: docker.io}, {upstream: "https://localhost:5000", prefix: local}]',
    'compatibility: {schema1: {enabled: true}}',
    'storage: {inmemory: , redirect: {disable: true}}',
    'policy: {repository: {classes: []}}',
  ])('says nothing of what is switched off or harmless: %s', (text) => {
    expect(loadText(text).warnings).toEqual([])
  })
})

describe('files as they are met', () => {
  const fixtures = join(repository, 'test/fixtures/config')
  const REFUSED_FIXTURES = new Set(['generation-2.yml'])

  test.each(readdirSync(fixtures))(
    '%s has no key that is unknown and no value that is not accepted',
    (name) => {
      const load = () => loadConfig({ path: join(fixtures, name), env: {} })
      const problems = REFUSED_FIXTURES.has(name) ? problemsOf(load) : []
      if (problems.length === 0) load()
      expect(problems.filter(({ message }) => !message.includes('not supported'))).toEqual([])
    },
  )

  const examples = join(repository, 'examples')
  const warned: Record<string, string[]> = {
    'distribution-3.yml': ['storage.tag.concurrencylimit'],
  }

  test.each(readdirSync(examples).filter((name) => name.endsWith('.yml')))(
    'the example %s can be started, wherever it is to listen',
    (name) => {
      const env = { REGISTRY_HTTP_ADDR: '127.0.0.1:0' }
      const { config, warnings } = loadConfig({ path: join(examples, name), env })
      expect(config.http.addr).toBe('127.0.0.1:0')
      expect(warnings.map(({ path }) => path)).toEqual(warned[name] ?? [])
    },
  )
})

test.each<TreeValue>([{}, { a: { b: 1 } }, [[[]]], '(', 'x'.repeat(5000), -1])(
  'no key throws anything but what is wrong with it, whatever it has: %j',
  (value) => {
    for (const path of pathsOf(keysOf(configSchema))) {
      const tree = emptyTree()
      const steps = path.map((step) => (step === '0' ? 0 : step === '*' ? 'some' : step))
      expect(assign(tree, steps, value)).toBe(true)
      const text = JSON.stringify({ version: '0.1', storage: { inmemory: {} }, ...tree })
      problemsOf(() => load({ path: '/c.yml', files: { '/c.yml': text } }))
    }
  },
)

test('a file that is too large is none, also where it has no end', () => {
  expect(problemsOf(() => loadConfig({ path: '/dev/zero', env: {} }))).toEqual([
    { path: '/dev/zero', message: 'cannot be read: /dev/zero has more than 256 KiB' },
  ])
})

test('of very many unknown keys the first are said', () => {
  const keys = Array.from({ length: 10_000 }, (_, index) => `key${index}: 1`)
  expect(problemsOf(() => loadText(keys.join('\n')))).toHaveLength(100)
})

test('it says which files it was read from, and what they said', () => {
  const files = { '/c.yml': minimal, '/secret': 'x\n' }
  const loaded = load({ path: '/c.yml', files, env: { REGISTRY_HTTP_SECRET_FILE: '/secret' } })
  expect([...loaded.files]).toEqual(Object.entries(files))
})

test('another process makes the same configuration from the tree', () => {
  const { config, tree } = loadText(
    'http: {host: "https://example.com", workers: auto}\nvalidation: {manifests: {urls: {allow: [^https]}}}',
  )
  expect(configOf(JSON.parse(JSON.stringify(tree)))).toEqual(config)
})

test('the manual has every key that is served, and every one that refuses', () => {
  const manual = readFileSync(join(repository, 'docs/configuration.md'), 'utf8')
  const { config } = load({})
  const { tls } = loadText('http: {tls: }').config.http
  const served = [
    ...Object.keys(config.http)
      .filter((key) => !['tls'].includes(key))
      .map((key) => `http.${key}`),
    ...Object.keys(config.log)
      .filter((key) => !['hooks', 'reportcaller'].includes(key))
      .map((key) => `log.${key}`),
    ...['filesystem', 'inmemory', 'cache', 'delete', 'redirect', 'maintenance'].map(
      (key) => `storage.${key}`,
    ),
    ...Object.keys(tls ?? {}).map((key) => `http.tls.${key}`),
    ...[
      'htpasswd',
      'token',
      'silly',
      'none',
      'issuer',
      'oidc',
      'robots',
      'certificate',
      'rules',
      'groups',
      'audit',
    ].map((key) => `auth.${key}`),
    ...[
      'middleware.storage',
      'catalog.maxentries',
      'tags.maxtags',
      'validation.disabled',
      'validation.manifests',
    ],
  ]
  expect(served.filter((key) => !manual.includes(`\`${key}`))).toEqual([])
})
