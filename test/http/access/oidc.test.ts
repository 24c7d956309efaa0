/** A job of a CI platform pushes with the token that the platform gave it. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { OidcSettings } from '../../../src/auth/issuer/oidc.ts'
import { basic, bearer, GuardedRegistry, issuerSettings, rule } from '../../support/access.ts'
import { type Answer, refusal } from '../../support/http-registry.ts'
import { OidcIssuer } from '../../support/oidc-issuer.ts'
import { type TemporaryFolder, temporaryFolder } from '../../support/temporary-folder.ts'

const audience = 'https://registry.example.com'
const rules = [
  rule('acme/**', 'group:ci:acme', 'pull', 'push'),
  rule('own/app', 'ci:acme/app', '*'),
  rule('alices', 'alice', '*'),
]

let folder: TemporaryFolder
let platform: OidcIssuer
let guarded: GuardedRegistry

function settingsFor(issuer: string, claims: Partial<OidcSettings['claims']> = {}): OidcSettings {
  return {
    issuer,
    audience,
    prefix: 'ci:',
    claims: { user: 'repository', groups: ['owner', 'teams'], require: { owner: 'acme' }, ...claims },
  }
}

beforeAll(async () => {
  folder = await temporaryFolder()
  platform = await OidcIssuer.start({ repository: 'acme/app', owner: 'acme', teams: ['red', 'blue'] })
  guarded = await GuardedRegistry.start({
    users: ['alice'],
    auth: { rules, issuer: issuerSettings(folder.path), oidc: [settingsFor(platform.url)] },
  })
})
afterAll(async () => {
  await guarded[Symbol.asyncDispose]()
  await platform[Symbol.asyncDispose]()
  await folder.remove()
})

const scope =
  'scope=repository:acme/lib:pull,push&scope=repository:own/app:pull,push,delete&scope=repository:alices:pull'

function post(form: Record<string, string>): Promise<Answer> {
  const headers = { 'content-type': 'application/x-www-form-urlencoded' }
  return guarded.registry.send('POST /auth/token', { headers, body: new URLSearchParams(form).toString() })
}

const jsonOf = ({ body }: Answer) => JSON.parse(body.toString())

async function expectJob(token: string): Promise<void> {
  const headers = bearer(token)
  for (const repository of ['acme/lib', 'own/app']) {
    const answer = await guarded.registry.send(`POST /v2/${repository}/blobs/uploads/`, { headers })
    expect(answer.status).toBe(202)
  }
  expect((await guarded.registry.send('GET /v2/alices/tags/list', { headers })).status).toBe(401)
}

describe('the platform’s token is exchanged for one of ours', () => {
  test('as a password, whatever the name: what docker login sends', async () => {
    const headers = basic('ci', await platform.token(audience))
    const answer = await guarded.registry.send(`GET /auth/token?service=entrepot&${scope}`, { headers })
    expect(answer.status).toBe(200)
    await expectJob(jsonOf(answer).token)
  })

  test('by RFC 8693 and RFC 7523', async () => {
    const scopes = scope.replaceAll('scope=', '').replaceAll('&', ' ')
    const forms: Record<string, string>[] = [
      {
        grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
        subject_token: await platform.token(audience),
      },
      {
        grant_type: 'urn:ietf:params:oauth:grant-type:jwt-bearer',
        assertion: await platform.token(audience),
      },
      { grant_type: 'password', username: 'ci', password: await platform.token(audience) },
    ]
    for (const form of forms) {
      const answer = await post({ ...form, service: 'entrepot', scope: scopes })
      expect(answer.status).toBe(200)
      await expectJob(jsonOf(answer).access_token)
    }
  })

  test('as a bearer’s', async () => {
    const headers = bearer(await platform.token(audience))
    const answer = await guarded.registry.send(`GET /auth/token?${scope}`, { headers })
    await expectJob(jsonOf(answer).token)
  })

  test('and goes on with a refresh token, though not for ever', async () => {
    const headers = basic('ci', await platform.token(audience))
    const login = jsonOf(await guarded.registry.send('GET /auth/token?offline_token=true', { headers }))
    const refreshed = await post({
      grant_type: 'refresh_token',
      refresh_token: login.refresh_token,
      scope: scope.replaceAll('scope=', '').replaceAll('&', ' '),
    })
    await expectJob(jsonOf(refreshed).access_token)
    const { exp, iat } = JSON.parse(Buffer.from(login.refresh_token.split('.')[1], 'base64url').toString())
    expect(exp - iat).toBeLessThanOrEqual(6 * 60 * 60)
  })
})

test.each([100, 260, 1_000])(
  'with %i groups it is given what is taken, or told that it is too much',
  async (count) => {
    const teams = Array.from({ length: count }, (_, index) => `team-${index}`)
    await using large = await OidcIssuer.start({ repository: 'acme/app', owner: 'acme', teams })
    await using folder = await temporaryFolder()
    await using own = await GuardedRegistry.start({
      auth: { rules, issuer: issuerSettings(folder.path), oidc: [settingsFor(large.url)] },
    })
    const form = {
      grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange',
      subject_token: await large.token(audience),
      access_type: 'offline',
    }
    const headers = { 'content-type': 'application/x-www-form-urlencoded' }
    const given = await own.registry.send('POST /auth/token', {
      headers,
      body: new URLSearchParams(form).toString(),
    })
    if (count === 1_000) return expect(given.status).toBe(401)
    expect(given.status).toBe(200)
    const { access_token, refresh_token } = jsonOf(given)
    expect((await own.registry.send('GET /v2/', { headers: bearer(access_token) })).status).toBe(200)
    const again = new URLSearchParams({ grant_type: 'refresh_token', refresh_token })
    expect((await own.registry.send('POST /auth/token', { headers, body: again.toString() })).status).toBe(
      200,
    )
  },
)

test('what it got is void once its issuer is no longer trusted', async () => {
  await using folder = await temporaryFolder()
  const auth = { rules, issuer: issuerSettings(folder.path) }
  let token: string
  {
    await using trusting = await GuardedRegistry.start({
      auth: { ...auth, oidc: [settingsFor(platform.url)] },
    })
    const headers = basic('ci', await platform.token(audience))
    token = jsonOf(await trusting.registry.send(`GET /auth/token?${scope}`, { headers })).token
    expect((await trusting.registry.send('GET /v2/', { headers: bearer(token) })).status).toBe(200)
  }
  await using other = await GuardedRegistry.start({ auth: { ...auth, oidc: [] } })
  expect((await other.registry.send('GET /v2/', { headers: bearer(token) })).status).toBe(401)
})

describe('it is refused', () => {
  const exchange = (token: string) =>
    post({ grant_type: 'urn:ietf:params:oauth:grant-type:token-exchange', subject_token: token })

  test('for another audience', async () => {
    expect(refusal(await exchange(await platform.token('https://other.example.com')))).toBe(
      '401 UNAUTHORIZED',
    )
  })

  test('when a claim is not the one required', async () => {
    await using other = await OidcIssuer.start({ repository: 'evil/app', owner: 'evil' })
    await using folder = await temporaryFolder()
    await using own = await GuardedRegistry.start({
      auth: { rules, issuer: issuerSettings(folder.path), oidc: [settingsFor(other.url)] },
    })
    const headers = basic('ci', await other.token(audience))
    expect(refusal(await own.registry.send('GET /auth/token', { headers }))).toBe('401 UNAUTHORIZED')
  })

  test('of an issuer that is not configured, and of one that only says it is', async () => {
    await using other = await OidcIssuer.start({ repository: 'acme/app', owner: 'acme' })
    expect(refusal(await exchange(await other.token(audience)))).toBe('401 UNAUTHORIZED')
    const [header, claims, signature] = (await other.token(audience)).split('.')
    const forged = { ...JSON.parse(Buffer.from(claims!, 'base64url').toString()), iss: platform.url }
    const token = `${header}.${Buffer.from(JSON.stringify(forged)).toString('base64url')}.${signature}`
    expect(refusal(await exchange(token))).toBe('401 UNAUTHORIZED')
  })

  test('by the registry itself: it is exchanged first', async () => {
    const token = await platform.token(audience)
    for (const headers of [bearer(token), basic('ci', token)]) {
      expect((await guarded.registry.send('GET /v2/', { headers })).status).toBe(401)
    }
  })

  test('without a name in it', async () => {
    await using folder = await temporaryFolder()
    await using own = await GuardedRegistry.start({
      auth: {
        rules,
        issuer: issuerSettings(folder.path),
        oidc: [settingsFor(platform.url, { user: 'nothing' })],
      },
    })
    const headers = basic('ci', await platform.token(audience))
    expect(refusal(await own.registry.send('GET /auth/token', { headers }))).toBe('401 UNAUTHORIZED')
  })
})

test('an issuer that cannot be asked is the registry’s trouble, not the client’s', async () => {
  const gone = await OidcIssuer.start({ repository: 'acme/app', owner: 'acme' })
  const token = await gone.token(audience)
  await gone[Symbol.asyncDispose]()
  await using folder = await temporaryFolder()
  await using own = await GuardedRegistry.start({
    auth: { rules, issuer: issuerSettings(folder.path), oidc: [settingsFor(gone.url)] },
  })
  const answer = await own.registry.send('GET /auth/token', { headers: basic('ci', token) })
  expect(refusal(answer)).toBe('503 UNAVAILABLE')
  expect(answer.headers['retry-after']).toBe('1')
})
