/** What those are told who are not let in, and how clients find out what to do. */
import { BlockList } from 'node:net'
import { describe, expect, test } from 'vitest'
import { digestOf } from '../../../src/core/digest.ts'
import { basic, bearer, GuardedRegistry, issuerSettings, rule } from '../../support/access.ts'
import { errorsOf, HttpRegistry, refusal } from '../../support/http-registry.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

const nothing = { oidc: [], groups: {} }

test('without access control everybody may do everything, whatever they send', async () => {
  await using registry = await HttpRegistry.start()
  for (const headers of [{}, basic('a'), bearer('x'), { authorization: 'nonsense' }]) {
    expect((await registry.send('GET /v2/', { headers })).status).toBe(200)
    expect((await registry.send('POST /v2/a/blobs/uploads/', { headers })).status).toBe(202)
  }
})

describe('credentials that are no good', () => {
  test.each([
    ['a wrong password', basic('alice', 'wrong').authorization],
    ['an unknown user', basic('mallory').authorization],
    ['an empty password', basic('alice', '').authorization],
    ['no colon', `Basic ${Buffer.from('alice').toString('base64')}`],
    ['no base64', 'Basic ***'],
    ['another scheme', 'Digest username="alice"'],
    ['a token nobody gives out', 'Bearer abc.def.ghi'],
    ['a scheme by itself', 'Basic'],
    ['nothing', ''],
  ])('%s', async (_, authorization) => {
    await using guarded = await GuardedRegistry.start({ users: ['alice'] })
    const answer = await guarded.registry.send('GET /v2/', { headers: { authorization } })
    expect(refusal(answer)).toBe('401 UNAUTHORIZED')
    expect(errorsOf(answer)).toEqual([
      {
        code: 'UNAUTHORIZED',
        message: 'authentication required',
        detail: { reason: expect.stringMatching(/./) },
      },
    ])
    expect(answer.headers['www-authenticate']).toBe('Basic realm="the test"')
  })

  test('are refused too where anonymous would have been let in', async () => {
    const rules = [rule('**', 'anonymous', 'pull')]
    await using guarded = await GuardedRegistry.start({ users: ['alice'], auth: { rules } })
    const headers = basic('alice', 'wrong')
    expect((await guarded.registry.send('GET /v2/_catalog', { headers })).status).toBe(401)
    expect((await guarded.registry.send('GET /v2/_catalog')).status).toBe(200)
  })
})

test('an empty name with an empty password is nobody: podman sends it when it has no login', async () => {
  const rules = [rule('public', 'anonymous', 'pull')]
  await using guarded = await GuardedRegistry.start({ users: ['alice'], auth: { rules } })
  const headers = basic('', '')
  expect(refusal(await guarded.registry.send('GET /v2/public/tags/list', { headers }))).toBe(
    '404 NAME_UNKNOWN',
  )
  expect(refusal(await guarded.registry.send('GET /v2/private/tags/list', { headers }))).toBe(
    '401 UNAUTHORIZED',
  )
})

test('anonymous clients that ask for the API learn how to log in, or they never would', async () => {
  const rules = [rule('**', 'anonymous', 'pull')]
  await using guarded = await GuardedRegistry.start({ users: ['alice'], auth: { rules } })
  expect((await guarded.send('GET /v2/')).status).toBe(401)
  expect((await guarded.send('GET /v2/', 'alice')).status).toBe(200)
  await using open = await HttpRegistry.start({ auth: { ...nothing, rules } })
  expect((await open.send('GET /v2/')).status).toBe(200)
})

test('where nobody can log in, nobody is asked to', async () => {
  await using registry = await HttpRegistry.start({
    auth: { ...nothing, rules: [rule('**', 'anonymous', 'pull')] },
  })
  const answer = await registry.send('POST /v2/a/blobs/uploads/')
  expect(refusal(answer)).toBe('403 DENIED')
  expect(answer.headers['www-authenticate']).toBeUndefined()
})

describe('a challenge for tokens', () => {
  test.each([
    ['GET /v2/', ''],
    ['GET /v2/_catalog', ',scope="registry:catalog:*"'],
    ['GET /v2/a/b/tags/list', ',scope="repository:a/b:pull"'],
    ['PUT /v2/a/b/manifests/x', ',scope="repository:a/b:pull,push"'],
    ['POST /v2/a/b/blobs/uploads/', ',scope="repository:a/b:pull,push"'],
    [
      `POST /v2/a/b/blobs/uploads/?mount=${digestOf(Buffer.from('x'))}&from=c%2Fd`,
      ',scope="repository:a/b:pull,push repository:c/d:pull"',
    ],
    ['POST /v2/a/b/blobs/uploads/?mount=x&from=C', ',scope="repository:a/b:pull,push"'],
    ['POST /v2/a/b/blobs/uploads/?from=c', ',scope="repository:a/b:pull,push"'],
    ['DELETE /v2/a/b/manifests/x', ',scope="repository:a/b:delete"'],
  ])('%s', async (request, scope) => {
    await using folder = await temporaryFolder()
    await using guarded = await GuardedRegistry.start({ auth: { issuer: issuerSettings(folder.path) } })
    const { port } = guarded.registry
    const challenge = (error: string) =>
      `Bearer realm="http://127.0.0.1:${port}/auth/token",service="entrepot"${scope}${error}`
    const answer = await guarded.send(request)
    expect([answer.status, answer.headers['www-authenticate']]).toEqual([401, challenge('')])
    const invalid = await guarded.registry.send(request, { headers: bearer('a.b.c') })
    expect(invalid.headers['www-authenticate']).toBe(challenge(',error="invalid_token"'))
  })

  test('names the registry as its clients see it', async () => {
    await using folder = await temporaryFolder()
    const auth = { issuer: issuerSettings(folder.path) }
    const realmOf = async (guarded: GuardedRegistry, path: string, headers = {}) =>
      /realm="([^"]*)"/.exec(
        (await guarded.registry.send(`GET ${path}/v2/`, { headers })).headers['www-authenticate'] ?? '',
      )?.[1]
    const publicUrl = new URL('https://registry.example.com')
    await using configured = await GuardedRegistry.start({ auth, settings: { publicUrl, prefix: '/docker' } })
    expect(await realmOf(configured, '/docker')).toBe('https://registry.example.com/docker/auth/token')
    const outer = new URL('https://example.com/outer/')
    await using below = await GuardedRegistry.start({ auth, settings: { publicUrl: outer } })
    expect(await realmOf(below, '')).toBe('https://example.com/outer/auth/token')
    const trustedProxies = new BlockList()
    trustedProxies.addAddress('127.0.0.1')
    const forwarded = { 'x-forwarded-proto': 'https', 'x-forwarded-host': 'reg.example.com' }
    await using proxied = await GuardedRegistry.start({ auth, settings: { trustedProxies } })
    expect(await realmOf(proxied, '', forwarded)).toBe('https://reg.example.com/auth/token')
    await using direct = await GuardedRegistry.start({ auth })
    expect(await realmOf(direct, '', forwarded)).toBe(`http://127.0.0.1:${direct.registry.port}/auth/token`)
    await using told = await GuardedRegistry.start({
      auth: { issuer: { ...auth.issuer, realm: 'https://auth.example.com/token' } },
    })
    expect(await realmOf(told, '')).toBe('https://auth.example.com/token')
  })
})

describe('silly', () => {
  const silly = { ...nothing, silly: { realm: 'silly-realm', service: 'silly-service' } }
  test('takes whatever is sent, and asks for it as Distribution does', async () => {
    await using registry = await HttpRegistry.start({ auth: silly })
    const answer = await registry.send('GET /v2/a/tags/list')
    expect(answer.status).toBe(401)
    expect(answer.headers['www-authenticate']).toBe(
      'Bearer realm="silly-realm",service="silly-service",scope="repository:a:pull"',
    )
    const headers = { authorization: 'seriously, anything' }
    expect((await registry.send('POST /v2/a/blobs/uploads/', { headers })).status).toBe(202)
  })
})

describe('a request of another site’s page', () => {
  const extraHeaders = {
    'access-control-allow-origin': ['https://ui.example.com'],
    'access-control-allow-methods': ['GET, HEAD, DELETE'],
    'access-control-allow-headers': ['Authorization'],
  }
  const asked = {
    origin: 'https://ui.example.com',
    'access-control-request-method': 'DELETE',
    'access-control-request-headers': 'authorization',
  }

  test.each(['/v2/', '/v2/_catalog', '/v2/a/manifests/x', '/v2/a/blobs/uploads/', '/auth/token'])(
    'is announced without credentials, and answered from http.headers: %s',
    async (path) => {
      await using guarded = await GuardedRegistry.start({ users: ['alice'], settings: { extraHeaders } })
      const answer = await guarded.registry.send(`OPTIONS ${path}`, { headers: asked })
      expect(answer.status).toBe(204)
      expect(answer.headers).toMatchObject({
        'access-control-allow-origin': 'https://ui.example.com',
        'access-control-allow-methods': 'GET, HEAD, DELETE',
        'access-control-allow-headers': 'Authorization',
        allow: expect.stringContaining('OPTIONS'),
      })
      expect(answer.headers['www-authenticate']).toBeUndefined()
    },
  )

  test('has those headers also where it is refused, so that the page learns why', async () => {
    await using guarded = await GuardedRegistry.start({ users: ['alice'], settings: { extraHeaders } })
    const answer = await guarded.send('GET /v2/')
    expect(answer.status).toBe(401)
    expect(answer.headers['access-control-allow-origin']).toBe('https://ui.example.com')
  })

  test('is told of no more than there is', async () => {
    await using guarded = await GuardedRegistry.start({ settings: { readOnly: true } })
    expect((await guarded.send('OPTIONS /v2/a/manifests/x')).headers.allow).toBe('GET, HEAD, OPTIONS')
    expect((await guarded.send('OPTIONS /v2/nowhere')).status).toBe(404)
  })
})
