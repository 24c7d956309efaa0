/** The registry gives out its own tokens. */
import { readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { createLocalJWKSet, type JSONWebKeySet, jwtVerify } from 'jose'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest'
import { basic, bearer, GuardedRegistry, htpasswdOf, issuerSettings, rule } from '../../support/access.ts'
import { type Answer, refusal } from '../../support/http-registry.ts'
import { type TemporaryFolder, temporaryFolder } from '../../support/temporary-folder.ts'

const rules = [
  rule('public/**', 'anonymous', 'pull'),
  rule('a/**', 'alice', 'pull', 'push'),
  rule('**', 'boss', '*'),
]

let folder: TemporaryFolder
let guarded: GuardedRegistry
beforeAll(async () => {
  folder = await temporaryFolder()
  guarded = await start()
})
afterAll(async () => {
  await guarded[Symbol.asyncDispose]()
  await folder.remove()
})

function start(settings: object = {}): Promise<GuardedRegistry> {
  return GuardedRegistry.start({
    users: ['alice', 'boss'],
    auth: { rules, issuer: { ...issuerSettings(folder.path), ...settings } },
  })
}

const jsonOf = ({ body }: Answer) => JSON.parse(body.toString())
const claimsOf = (token: string) => JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString())

function post(form: Record<string, string>, to = guarded): Promise<Answer> {
  const headers = { 'content-type': 'application/x-www-form-urlencoded' }
  return to.registry.send('POST /auth/token', { headers, body: new URLSearchParams(form).toString() })
}

const get = (query: string, as?: string, to = guarded) =>
  to.send(`GET /auth/token?service=entrepot${query}`, as)

describe('a token', () => {
  test('lists what was asked for and may be done, for five minutes', async () => {
    const answer = await get(
      '&scope=repository:a/x:pull,push,delete&scope=repository:b:pull&account=alice&client_id=docker',
      'alice',
    )
    expect(answer.headers['cache-control']).toBe('no-store')
    const { token, access_token, expires_in, issued_at, refresh_token } = jsonOf(answer)
    expect([expires_in, access_token, refresh_token]).toEqual([300, token, undefined])
    expect(Math.abs(Date.parse(issued_at) - Date.now())).toBeLessThan(10_000)
    const claims = claimsOf(token)
    expect(claims).toMatchObject({
      iss: 'entrepot',
      aud: 'entrepot',
      sub: 'alice',
      access: [{ type: 'repository', name: 'a/x', actions: ['pull', 'push'] }],
    })
    expect(claims.exp - claims.iat).toBe(300)
  })

  test.each([
    ['repository:a/x:*', [['pull', 'push']]],
    ['repository:a/x:pull repository:a/y:push', [['pull'], ['push']]],
    ['repository(plugin):a/x:pull', [['pull']]],
    ['registry:catalog:*', [['*']]],
    ['registry:catalog:pull', []],
    ['repository:a/x:fly', []],
    ['repository:A/X:pull', []],
    ['repository:a/../b:pull', []],
    ['repository:a/x', []],
    ['nonsense', []],
    ['', []],
    ['repository:b:pull', []],
    ['repository:public/x:pull,push', [['pull']]],
  ])('for %j lists %j', async (scope, actions) => {
    const { token } = jsonOf(await get(`&scope=${encodeURIComponent(scope)}`, 'alice'))
    expect(claimsOf(token).access.map((entry: { actions: string[] }) => entry.actions)).toEqual(actions)
  })

  test('is short enough to be sent, whatever was asked for', async () => {
    const scopes = Array.from({ length: 300 }, (_, index) => `repository:a/${'x'.repeat(100)}${index}:pull`)
    const answer = await post({
      grant_type: 'password',
      username: 'alice',
      password: 'alice',
      scope: scopes.join(' '),
    })
    const token = jsonOf(answer).access_token
    expect(token.length).toBeLessThan(8 * 1024)
    expect((await guarded.registry.send('GET /v2/', { headers: bearer(token) })).status).toBe(200)
  })

  test('is given to nobody in particular for what everybody may do', async () => {
    const { token } = jsonOf(await get('&scope=repository:public/x:pull,push&scope=repository:a/x:pull'))
    expect(claimsOf(token).access).toEqual([{ type: 'repository', name: 'public/x', actions: ['pull'] }])
    const ask = (path: string) =>
      guarded.registry.send(`GET /v2/${path}/tags/list`, { headers: bearer(token) })
    expect((await ask('public/x')).status).toBe(404)
    expect((await ask('a/x')).status).toBe(401)
    const login = { headers: basic('', '') }
    expect((await guarded.registry.send('GET /auth/token', login)).status).toBe(200)
  })

  test('is not given to nobody in particular where everybody may do nothing', async () => {
    await using folder = await temporaryFolder()
    await using closed = await GuardedRegistry.start({
      users: ['alice'],
      auth: { issuer: issuerSettings(folder.path) },
    })
    const answer = await get('', undefined, closed)
    expect(refusal(answer)).toBe('401 UNAUTHORIZED')
    expect(answer.headers['www-authenticate']).toMatch(/^Basic /)
  })

  test('can be checked by anybody with the keys that are published', async () => {
    const keySet = jsonOf(await guarded.registry.send('GET /auth/jwks')) as JSONWebKeySet
    expect(JSON.stringify(keySet)).not.toContain('"d"')
    const { token } = jsonOf(await get('', 'alice'))
    const { payload } = await jwtVerify(token, createLocalJWKSet(keySet), {
      issuer: 'entrepot',
      audience: 'entrepot',
    })
    expect(payload.sub).toBe('alice')
  })

  test('does not outlast the rights that it lists', async () => {
    await using own = await start()
    const token = await own.token('alice', 'repository:a/x:pull,push')
    const ask = () => own.registry.send('GET /v2/a/x/tags/list', { headers: bearer(token) })
    expect((await ask()).status).toBe(404)
    own.registry.access!.replaceRules({ rules: [], groups: {} })
    expect((await ask()).status).toBe(401)
  })
})

describe('what is no good gets none', () => {
  test.each([
    ['a wrong password', basic('alice', 'wrong')],
    ['an unknown user', basic('mallory')],
    ['another scheme', { authorization: 'Digest x' }],
    ['a token of ours', { authorization: 'Bearer x.y.z' }],
  ])('%s', async (_, headers) => {
    const answer = await guarded.registry.send('GET /auth/token', { headers })
    expect(refusal(answer)).toBe('401 UNAUTHORIZED')
    expect(answer.headers['www-authenticate']).toBe('Basic realm="entrepot"')
  })

  test('another service', async () => {
    expect(refusal(await guarded.send('GET /auth/token?service=other', 'alice'))).toBe('403 DENIED')
  })

  test.each([
    [{ grant_type: 'password', username: 'alice', password: 'wrong' }, '401 UNAUTHORIZED'],
    [{ grant_type: 'refresh_token', refresh_token: 'x' }, '401 UNAUTHORIZED'],
    [{ grant_type: 'refresh_token' }, '401 UNAUTHORIZED'],
    [{ grant_type: 'authorization_code', code: 'x' }, '400 UNSUPPORTED'],
    [{}, '400 UNSUPPORTED'],
  ])('%j', async (form: Record<string, string>, expected) => {
    expect(refusal(await post(form))).toBe(expected)
  })

  test('a form without an end', async () => {
    expect((await post({ grant_type: 'password', padding: 'x'.repeat(70_000) })).status).toBe(413)
  })

  test('a registry that gives out none has no such path', async () => {
    await using plain = await GuardedRegistry.start({ users: ['alice'] })
    for (const request of ['GET /auth/token', 'POST /auth/token', 'GET /auth/jwks']) {
      expect((await plain.send(request, 'alice')).status).toBe(404)
    }
  })
})

describe('a refresh token', () => {
  let refreshToken: string
  beforeEach(async () => {
    refreshToken = jsonOf(await get('&offline_token=true', 'alice')).refresh_token
  })

  test('gets access tokens without a password', async () => {
    const answer = jsonOf(
      await post({
        grant_type: 'refresh_token',
        refresh_token: refreshToken,
        scope: 'repository:a/x:pull,push',
      }),
    )
    expect(answer).toMatchObject({ token_type: 'Bearer', expires_in: 300, scope: 'repository:a/x:pull,push' })
    expect(answer.refresh_token).toBeUndefined()
    const headers = bearer(answer.access_token)
    expect((await guarded.registry.send('POST /v2/a/x/blobs/uploads/', { headers })).status).toBe(202)
  })

  test('comes with an OAuth2 login that asks for it, and is renewed without living longer', async () => {
    const first = jsonOf(
      await post({ grant_type: 'password', username: 'alice', password: 'alice', access_type: 'offline' }),
    )
    const second = jsonOf(
      await post({ grant_type: 'refresh_token', refresh_token: first.refresh_token, access_type: 'offline' }),
    )
    expect(claimsOf(second.refresh_token).exp).toBe(claimsOf(first.refresh_token).exp)
  })

  test('is no access token, and an access token is no refresh token', async () => {
    expect((await guarded.registry.send('GET /v2/', { headers: bearer(refreshToken) })).status).toBe(401)
    const { token } = jsonOf(await get('', 'alice'))
    expect((await post({ grant_type: 'refresh_token', refresh_token: token })).status).toBe(401)
  })

  test('is void when the password is changed or the user is gone, and so is an access token', async () => {
    await using own = await start()
    const { token, refresh_token } = jsonOf(await get('&offline_token=true', 'alice', own))
    const ask = async () => [
      (await own.registry.send('GET /v2/', { headers: bearer(token) })).status,
      (await post({ grant_type: 'refresh_token', refresh_token }, own)).status,
    ]
    expect(await ask()).toEqual([200, 200])
    await writeFile(own.usersPath, htpasswdOf(['alice', 'boss']))
    // Whoever logs in with a password finds the file changed.
    expect((await own.send('GET /v2/', 'boss')).status).toBe(200)
    expect(await ask()).toEqual([401, 401])
    const again = jsonOf(await get('&offline_token=true', 'alice', own))
    await writeFile(own.usersPath, htpasswdOf(['boss']))
    await expect
      .poll(async () => (await own.registry.send('GET /v2/', { headers: bearer(again.token) })).status, {
        timeout: 10_000,
      })
      .toBe(401)
  })

  test('is not given to nobody in particular', async () => {
    expect(jsonOf(await get('&offline_token=true')).refresh_token).toBeUndefined()
  })
})

describe('the keys', () => {
  test('are made on the first start, for their owner alone, and kept', async () => {
    await using folder = await temporaryFolder()
    const path = join(folder.path, 'keys.json')
    const auth = { issuer: issuerSettings(folder.path) }
    let token: string
    {
      await using first = await GuardedRegistry.start({ users: ['alice'], auth })
      token = await first.token('alice')
      expect((await stat(path)).mode & 0o777).toBe(0o600)
    }
    const before = await readFile(path, 'utf8')
    await using second = await GuardedRegistry.start({ auth })
    expect(await readFile(path, 'utf8')).toBe(before)
    // The user's password is another's there: a token proves its key, and its holder must still be who it was.
    expect((await second.registry.send('GET /v2/', { headers: bearer(token) })).status).toBe(401)
  })

  test('make one replica’s tokens good on another, also those that are made at the same moment', async () => {
    await using folder = await temporaryFolder()
    const users = htpasswdOf(['alice'])
    const replicas = await Promise.all(
      [1, 2, 3].map(async () => {
        const replica = await GuardedRegistry.start({ auth: { issuer: issuerSettings(folder.path) } })
        await writeFile(replica.usersPath, users)
        return replica
      }),
    )
    try {
      for (const from of replicas) {
        for (const to of replicas) {
          expect((await to.send('GET /v2/', 'alice')).status).toBe(200)
          const headers = bearer(await from.token('alice'))
          expect((await to.registry.send('GET /v2/', { headers })).status).toBe(200)
        }
      }
      expect(JSON.parse(await readFile(join(folder.path, 'keys.json'), 'utf8')).keys).toHaveLength(1)
    } finally {
      for (const replica of replicas) await replica[Symbol.asyncDispose]()
    }
  })

  test('that make no sense keep the registry from starting', async () => {
    await using folder = await temporaryFolder()
    await writeFile(join(folder.path, 'keys.json'), '{"keys": [{"kty": "EC"}]}')
    const auth = { issuer: issuerSettings(folder.path) }
    await expect(GuardedRegistry.start({ auth })).rejects.toThrow(
      /auth\.issuer\.keys: .*keys\.json: a key without kid/,
    )
  })
})
