/** What holds for every path: the base, unknown paths and methods, ids, prefixes, hosts and the form of errors. */
import { BlockList } from 'node:net'
import { describe, expect, test } from 'vitest'
import type { AuditEntry } from '../../src/core/access/audit-log.ts'
import { digestOf } from '../../src/core/digest.ts'
import type { HttpSettings } from '../../src/http/settings.ts'
import { basic, bearer, GuardedRegistry } from '../support/access.ts'
import { errorsOf, HttpRegistry, type RequestParts, refusal } from '../support/http-registry.ts'
import { RecordedLog } from '../support/recorded-log.ts'

const digest = digestOf(Buffer.from('x'))

test('the base says which API it is', async () => {
  await using registry = await HttpRegistry.start()
  const answer = await registry.send('GET /v2/')
  expect([answer.status, answer.body.toString()]).toEqual([200, '{}'])
  expect(answer.headers).toMatchObject({
    'content-type': 'application/json',
    'docker-distribution-api-version': 'registry/2.0',
    'x-content-type-options': 'nosniff',
  })
  const head = await registry.send('HEAD /v2/')
  expect([head.status, head.body.length, head.headers['content-length']]).toEqual([200, 0, '2'])
})

test('the base without its slash is elsewhere', async () => {
  await using registry = await HttpRegistry.start()
  const answer = await registry.send('GET /v2')
  expect([answer.status, answer.headers.location]).toEqual([301, '/v2/'])
})

describe.each(['/', '/livez', '/readyz', '/startupz'])(
  'the probe %s says that the registry is there',
  (probe) => {
    test.each(['', '/some/place'])('with the prefix "%s"', async (prefix) => {
      await using registry = await HttpRegistry.start({ settings: { prefix } })
      for (const path of new Set([probe, `${probe}?from=a-probe`, `${prefix}${probe}`])) {
        for (const method of ['GET', 'HEAD']) {
          const answer = await registry.send(`${method} ${path}`)
          expect([method, path, answer.status, answer.body.length]).toEqual([method, path, 200, 0])
          expect(answer.headers).toMatchObject({ 'cache-control': 'no-cache', 'content-length': '0' })
        }
      }
      const refused = await registry.send(`PUT ${probe}`)
      expect([refusal(refused), refused.headers.allow]).toEqual(['405 UNSUPPORTED', 'GET, HEAD'])
      expect((await registry.send(`OPTIONS ${probe}`)).headers.allow).toBe('GET, HEAD, OPTIONS')
    })

    test('to whoever asks, as often as they like', async () => {
      const recorded = await RecordedLog.start()
      const audited: AuditEntry[] = []
      await using guarded = await GuardedRegistry.start({
        users: ['alice'],
        settings: { requestsPerSecond: 1 },
        log: recorded.log,
        audit: { record: (entry) => audited.push(entry) },
      })
      const { registry } = guarded
      for (const headers of [{}, {}, {}, basic('alice', 'wrong'), bearer('none')]) {
        expect((await registry.send(`GET ${probe}`, { headers })).status).toBe(200)
      }
      expect((await registry.send('GET /v2/', { headers: basic('alice') })).status).toBe(200)
      await expect.poll(() => audited.length).toBe(1)
      expect(recorded.lines.filter((line) => !line.includes('"level":"info"'))).toEqual([])
    })
  },
)

test.each([
  '/v1/',
  '/v2/x',
  '/v2/a/b/c',
  '/v2/a/tags',
  '/v2/a/tags/other',
  '/v2/blobs/uploads/',
  '/v2/tags/list',
  '/v2/a/manifests',
  '/v2/a/blobs/uploads/x/y',
  '/V2/',
  '/favicon.ico',
])('a path that is none is not found, in JSON: %s', async (path) => {
  await using registry = await HttpRegistry.start()
  for (const method of ['GET', 'PUT', 'DELETE']) {
    const answer = await registry.send(`${method} ${path}`)
    expect(answer.status).toBe(404)
    expect(errorsOf(answer)).toEqual([{ code: expect.any(String), message: expect.stringMatching(/./) }])
    expect(answer.headers).toMatchObject({ 'docker-distribution-api-version': 'registry/2.0' })
  }
})

test.each(['A', '-a', 'a-', 'a..b', 'a___b', '_a', 'a/-b', 'ä', 'a'.repeat(256)])(
  'a name that is none is refused, in JSON: %.20s',
  async (name) => {
    await using registry = await HttpRegistry.start()
    for (const request of [
      `GET /v2/${encodeURI(name)}/tags/list`,
      `POST /v2/${encodeURI(name)}/blobs/uploads/`,
    ]) {
      const answer = await registry.send(request)
      expect(refusal(answer)).toBe('400 NAME_INVALID')
    }
  },
)

test('a name may have many parts, and be made of words that paths have', async () => {
  await using registry = await HttpRegistry.start()
  for (const name of ['a/b/c/d/e', 'blobs/uploads', 'manifests', 'tags/list', 'a/tags', 'v2', 'uploads']) {
    const pushed = await registry.client.pushBlob(name, Buffer.from('x'))
    expect((await registry.send(`GET /v2/${name}/blobs/${pushed}`)).body.toString()).toBe('x')
    expect((await registry.send(`GET /v2/${name}/tags/list`)).status).toBe(200)
  }
})

test('an encoded slash in a name is a slash', async () => {
  await using registry = await HttpRegistry.start()
  const pushed = await registry.client.pushBlob('a/b', Buffer.from('x'))
  expect((await registry.send(`GET /v2/a%2Fb/blobs/${pushed}`)).body.toString()).toBe('x')
  expect((await registry.send('GET /v2/a%2fb%2Ftags/list')).status).toBe(200)
  expect(refusal(await registry.send('GET /v2/a%252Fb/tags/list'))).toBe('400 NAME_INVALID')
  expect(refusal(await registry.send('GET /v2/a%2F..%2Fb/tags/list'))).toBe('400 NAME_INVALID')
})

describe('doubled and trailing slashes lead to the path without them', () => {
  test.each([
    ['GET /v2//', '/v2'],
    ['GET //v2/', '/v2'],
    ['GET /v2/_catalog/?n=1', '/v2/_catalog?n=1'],
    ['HEAD /v2//a/b///manifests/x/', '/v2/a/b/manifests/x'],
    ['GET /v2/a/tags/list/', '/v2/a/tags/list'],
    ['GET //other.example//v2/a/tags/list/', undefined],
  ])('%s', async (request, location) => {
    await using registry = await HttpRegistry.start()
    const answer = await registry.send(request)
    expect([answer.status, answer.headers.location]).toEqual(
      location === undefined ? [404, undefined] : [301, location],
    )
  })

  test('and what was sent is sent again there', async () => {
    await using registry = await HttpRegistry.start({ settings: { prefix: '/some' } })
    for (const path of ['/v2/a//blobs/uploads/', '//v2/a/blobs/uploads']) {
      const answer = await registry.send(`POST /some${path}?digest=${digest}`, { body: 'x' })
      expect([answer.status, answer.headers.location]).toEqual([
        308,
        `/some/v2/a/blobs/uploads?digest=${digest}`,
      ])
      expect((await registry.send(`POST ${answer.headers.location}`, { body: 'x' })).status).toBe(201)
    }
  })
})

describe('a request target that is a whole URL', () => {
  test('is served, and its host counts', async () => {
    await using registry = await HttpRegistry.start({ settings: { relativeUrls: false } })
    await registry.client.pushBlob('a', Buffer.from('x'))
    for (const [target, path] of [
      ['http://asked.example:5000/v2/a/tags/list?n=1', '200'],
      ['HTTP://asked.example:5000/v2/', '200'],
      ['http://asked.example:5000', '200'],
      ['http://asked.example:5000?x', '200'],
      ['http:///v2/', '400'],
      ['http://user@asked.example/v2/', '400'],
      ['ftp://asked.example/v2/', '404'],
    ]) {
      using connection = await registry.connect()
      connection.writeHead(`GET ${target} HTTP/1.1`, 'Host: other.example', 'Connection: close')
      await connection.closed
      expect([target, connection.received.slice(9, 12)]).toEqual([target, path])
    }
    const begun = await registry.send('POST http://asked.example:5000/v2/a/blobs/uploads/')
    expect([begun.status, begun.headers.location]).toEqual([
      202,
      expect.stringMatching(/^http:\/\/asked\.example:5000\/v2\/a\//),
    ])
  })
})

test('two hosts are refused', async () => {
  await using registry = await HttpRegistry.start()
  for (const [one, other] of [
    ['a', 'b'],
    ['a', 'a'],
  ]) {
    using connection = await registry.connect()
    connection.writeHead('GET /v2/ HTTP/1.1', `Host: ${one}`, `hOST: ${other}`, 'Connection: close')
    await connection.closed
    expect(connection.received).toMatch(/^HTTP\/1\.1 400 [\s\S]*"code":"UNSUPPORTED"/)
  }
})

test('a path may be encoded where it need not be', async () => {
  await using registry = await HttpRegistry.start()
  await registry.client.pushBlob('abc', Buffer.from('x'))
  expect((await registry.send(`GET /v2/%61bc/blobs/${digest.replace(':', '%3A')}`)).status).toBe(200)
})

describe('a method that is not served is refused, with those that are', () => {
  const all = ['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'TRACE', 'PROPFIND']
  const served: [string, string][] = [
    ['/v2/', 'GET, HEAD'],
    ['/v2', 'GET, HEAD'],
    ['/v2/_catalog', 'GET, HEAD'],
    ['/v2/a/tags/list', 'GET, HEAD'],
    ['/v2/a/manifests/x', 'GET, HEAD, PUT, DELETE'],
    [`/v2/a/blobs/${digest}`, 'GET, HEAD, DELETE'],
    [`/v2/a/referrers/${digest}`, 'GET, HEAD'],
    [`/v2/a/_entrepot/signatures/${digest}`, 'GET, HEAD'],
    ['/v2/a/_entrepot/tags/history', 'GET, HEAD'],
    ['/v2/a/_entrepot/trash/list', 'GET, HEAD'],
    ['/v2/a/_entrepot/pulls/list', 'GET, HEAD'],
    ['/v2/a/_entrepot/usage/summary', 'GET, HEAD'],
    ['/v2/a/_entrepot/trash/restore', 'POST'],
    ['/v2/a/_entrepot/repository', 'DELETE'],
    ['/v2/a/blobs/uploads/', 'POST'],
    ['/v2/a/blobs/uploads/00000000-0000-4000-8000-000000000000', 'GET, HEAD, PATCH, PUT, DELETE'],
  ]

  test.each(served)('%s', async (path, allow) => {
    await using registry = await HttpRegistry.start()
    for (const method of all.filter((candidate) => !allow.split(', ').includes(candidate))) {
      const answer = await registry.send(`${method} ${path}`)
      expect([method, answer.status, answer.headers.allow]).toEqual([method, 405, allow])
      if (method !== 'HEAD') expect(refusal(answer)).toBe('405 UNSUPPORTED')
    }
  })

  test.each(served)('%s of a read-only registry', async (path, allow) => {
    await using registry = await HttpRegistry.start({ settings: { readOnly: true } })
    const pulls = allow
      .split(', ')
      .filter((method) => !path.includes('uploads') && ['GET', 'HEAD'].includes(method))
      .join(', ')
    for (const method of all.filter((candidate) => !pulls.split(', ').includes(candidate))) {
      const answer = await registry.send(`${method} ${path}`)
      expect([method, answer.status, answer.headers.allow]).toEqual([method, 405, pulls])
    }
  })
})

describe('an answer has an id', () => {
  test.each(['abc', 'A-b_c.1:2/3+4=5@6', 'x'.repeat(128)])(
    'the one that was asked for: %.20s',
    async (id) => {
      await using registry = await HttpRegistry.start()
      expect(
        (await registry.send('GET /v2/', { headers: { 'x-request-id': id } })).headers['x-request-id'],
      ).toBe(id)
    },
  )

  test.each(['', 'a b', 'x'.repeat(129), '<script>', '"'])('not one that is unfit: %.20s', async (id) => {
    await using registry = await HttpRegistry.start()
    const answer = await registry.send('GET /v2/nowhere', { headers: { 'x-request-id': id } })
    expect(answer.headers['x-request-id']).toMatch(/^[0-9a-f]{8}-/)
  })

  test('of its own', async () => {
    await using registry = await HttpRegistry.start()
    const ids = await Promise.all([1, 2, 3].map(() => registry.send('GET /v2/')))
    expect(new Set(ids.map(({ headers }) => headers['x-request-id'])).size).toBe(3)
  })
})

test('configured headers are on every answer', async () => {
  const extraHeaders = { 'Strict-Transport-Security': ['max-age=1'], 'X-Two': ['one', 'two'] }
  await using registry = await HttpRegistry.start({ settings: { extraHeaders } })
  for (const path of ['/v2/', '/v2/a/tags/list', '/nowhere']) {
    expect((await registry.send(`GET ${path}`)).headers).toMatchObject({
      'strict-transport-security': 'max-age=1',
      'x-two': 'one, two',
    })
  }
})

test('below a prefix there is the registry, and nothing beside it', async () => {
  await using registry = await HttpRegistry.start({ settings: { prefix: '/some/place' } })
  expect((await registry.send('GET /some/place/v2/')).status).toBe(200)
  expect((await registry.send('GET /some/place/v2')).headers.location).toBe('/some/place/v2/')
  for (const path of ['/v2/', '/some/placev2/', '/some/place', '/some/other/v2/', '/SOME/place/v2/']) {
    expect((await registry.send(`GET ${path}`)).status).toBe(404)
  }
  const begun = await registry.send('POST /some/place/v2/a/blobs/uploads/')
  expect(begun.headers.location).toMatch(/^\/some\/place\/v2\/a\/blobs\/uploads\//)
  const finished = await registry.send(`PUT ${begun.headers.location}?digest=${digest}`, { body: 'x' })
  expect([finished.status, finished.headers.location]).toEqual([201, `/some/place/v2/a/blobs/${digest}`])
  await registry.send(`POST /some/place/v2/b/blobs/uploads/?digest=${digest}`, { body: 'x' })
  expect((await registry.send('GET /some/place/v2/_catalog?n=1')).headers.link).toBe(
    '</some/place/v2/_catalog?last=a&n=1>; rel="next"',
  )
})

describe('a Location', () => {
  const forged: RequestParts['headers'] = {
    host: 'forged.example',
    'x-forwarded-host': 'forged.example',
    'x-forwarded-proto': 'https',
    forwarded: 'host=forged.example;proto=https',
  }

  function trusting(address: string): BlockList {
    const list = new BlockList()
    list.addAddress(address)
    return list
  }

  async function originFor(settings: Partial<HttpSettings>, headers: RequestParts['headers'] = {}) {
    await using registry = await HttpRegistry.start({ settings })
    const answer = await registry.send('POST /v2/a/blobs/uploads/', { headers })
    const [, origin, path] = /^([a-z]+:\/\/[^/]+)?(\/.*)$/.exec(answer.headers.location!) ?? []
    expect(path).toMatch(/^\/v2\/a\/blobs\/uploads\//)
    return origin
  }

  test('is a path, whatever the client and its proxies say', async () => {
    expect(await originFor({}, forged)).toBeUndefined()
    expect(await originFor({ trustedProxies: trusting('127.0.0.1') }, forged)).toBeUndefined()
  })

  test('is at the configured host, whatever the client says', async () => {
    const publicUrl = new URL('https://registry.example:8443')
    expect(await originFor({ publicUrl }, forged)).toBe('https://registry.example:8443')
    expect(await originFor({ publicUrl, relativeUrls: false }, forged)).toBe('https://registry.example:8443')
  })

  test('is at the host of the request where that is wanted', async () => {
    const host = 'asked.example:5000'
    expect(await originFor({ relativeUrls: false }, { host })).toBe(`http://${host}`)
  })

  test('is where a trusted proxy says, and not where another does', async () => {
    const headers = {
      host: 'inner.example',
      'x-forwarded-host': 'outer.example, inner.example',
      'x-forwarded-proto': 'https, http',
    }
    const trusted = { relativeUrls: false, trustedProxies: trusting('127.0.0.1') }
    expect(await originFor(trusted, headers)).toBe('https://outer.example')
    const forwarded = 'for=192.0.2.1;HOST="outer.example:8443";proto=https, for=10.0.0.1;host=other'
    expect(await originFor(trusted, { ...headers, forwarded })).toBe('https://outer.example:8443')
    const untrusted = { relativeUrls: false, trustedProxies: trusting('192.0.2.1') }
    expect(await originFor(untrusted, headers)).toBe('http://inner.example')
  })

  test('is below the path of the configured host, which stands in the place of a prefix', async () => {
    for (const [publicUrl, path] of [
      ['https://example.com/outer/', '/outer'],
      ['https://example.com/outer/inner', '/outer/inner'],
      ['https://example.com/', ''],
    ]) {
      await using registry = await HttpRegistry.start({ settings: { publicUrl: new URL(publicUrl!) } })
      const answer = await registry.send('POST /v2/a/blobs/uploads/')
      expect(answer.headers.location).toContain(`https://example.com${path}/v2/a/blobs/uploads/`)
      expect((await registry.send('GET /v2')).headers.location).toBe(`https://example.com${path}/v2/`)
    }
  })

  test.each([
    ...['evil.example/x', 'user@evil.example', 'evil.example:123456', 'evil.example:99999', '1.2.3.999'],
    ...['a b', '<x>', "x'y", '[::::]', 'a..b:'],
  ])('is refused where the host is none: %s', async (host) => {
    await using registry = await HttpRegistry.start({ settings: { relativeUrls: false } })
    for (const request of ['POST /v2/a/blobs/uploads/', 'GET /v2']) {
      expect(refusal(await registry.send(request, { headers: { host } }))).toBe('400 UNSUPPORTED')
    }
    await using relative = await HttpRegistry.start()
    expect((await relative.send('GET /v2', { headers: { host } })).headers.location).toBe('/v2/')
  })
})

test('a connection serves one request after another, refused or not', async () => {
  await using registry = await HttpRegistry.start()
  using connection = await registry.connect()
  for (const [path, status] of [
    ['/v2/', '200'],
    ['/v2/a/manifests/x', '404'],
    ['/nowhere', '404'],
    ['/v2/A/tags/list', '400'],
    ['/v2/', '200'],
  ] as const) {
    const before = connection.received.length
    connection.writeHead(`GET ${path} HTTP/1.1`, 'Host: localhost')
    const received = await connection.until(
      new RegExp(`^[\\s\\S]{${before}}HTTP/1\\.1 ${status} [\\s\\S]*\\}$`),
    )
    expect(received.slice(before)).not.toMatch(/^connection: close/im)
  }
})

test('a refused body is read to its end, so that the client sees why', async () => {
  await using registry = await HttpRegistry.start()
  const body = Buffer.alloc(6 * 1024 * 1024)
  expect(refusal(await registry.send('PUT /v2/A/manifests/x', { body }))).toBe('400 NAME_INVALID')
  expect(refusal(await registry.send('POST /v2/a/tags/list', { body }))).toBe('405 UNSUPPORTED')
})
