/** People who log in with a browser: the session cookie, its flags, and requests of other sites. */
import { expect, test } from 'vitest'
import { MediaType } from '../../../src/core/media-type.ts'
import { self } from '../../../src/http/handlers/extension/answers.ts'
import { BrowserSessions } from '../../../src/login/browser-sessions.ts'
import { ProviderLogin } from '../../../src/login/provider-login.ts'
import { basic, type GuardedOptions, GuardedRegistry, rule } from '../../support/access.ts'
import { silent } from '../../support/catalog-index.ts'
import { type Answer, refusal } from '../../support/http-registry.ts'
import { indexJson, payloadOf } from '../../support/manifest-json.ts'
import { PersonIssuer } from '../../support/person-issuer.ts'

const SESSION = '/v2/_entrepot/user/session'
const SELF = '/v2/_entrepot/user/self'
const ownPage = { 'sec-fetch-site': 'same-origin', 'sec-fetch-mode': 'cors' }
const json = { 'content-type': 'application/json' }
const secret = 'the secret of the replicas'

const sessions: GuardedOptions['sessions'] = (people) =>
  new BrowserSessions({ people, secret, lifetimeMs: 60_000, providers: [] })

const start = (options: GuardedOptions = {}) =>
  GuardedRegistry.start({
    users: ['alice', 'bob'],
    auth: { rules: [rule('team/**', 'alice', '*'), rule('**', 'group:idp:staff', 'pull')] },
    sessions,
    ...options,
  })

const cookiesOf = ({ headers }: Answer) => headers['set-cookie'] ?? []
const sent = (set: string) => ({ cookie: set.split(';', 1)[0] ?? '' })

async function logIn({ registry }: GuardedRegistry, username = 'alice', headers = {}) {
  const body = JSON.stringify({ username, password: username })
  const answer = await registry.send(`POST ${SESSION}`, {
    headers: { ...json, ...ownPage, ...headers },
    body,
  })
  expect(answer.status).toBe(204)
  return cookiesOf(answer)[0] ?? ''
}

const selfOf = async ({ registry }: GuardedRegistry, headers = {}) => {
  const answer = await registry.send(`GET ${SELF}`, { headers })
  expect(answer.status).toBe(200)
  const body = JSON.parse(answer.body.toString())
  expect(self.safeParse(body).error?.issues).toBeUndefined()
  return body
}

test('a person logs in, is known, and logs out', async () => {
  await using guarded = await start()
  expect(await selfOf(guarded)).toMatchObject({
    kind: 'anonymous',
    name: '',
    session: null,
    mayList: false,
    login: { isPossible: true, password: true, providers: [] },
  })
  const cookie = sent(await logIn(guarded))
  expect(await selfOf(guarded, cookie)).toMatchObject({ kind: 'user', name: 'alice', mayList: true })
  const { status } = await guarded.registry.send('GET /v2/', { headers: cookie })
  expect(status).toBe(200)
  const out = await guarded.registry.send(`DELETE ${SESSION}`, { headers: { ...cookie, ...ownPage } })
  expect([out.status, cookiesOf(out)[0]]).toEqual([204, expect.stringMatching(/^entrepot=; Max-Age=0; /)])
})

test('the cookie can be read by no script, and over TLS by no other host', async () => {
  await using guarded = await start()
  expect(await logIn(guarded)).toMatch(/^entrepot=[\w.-]+; Max-Age=\d+; Path=\/; HttpOnly; SameSite=Lax$/)
  await using secure = await start({ settings: { publicUrl: new URL('https://registry.example.com') } })
  const cookie = await logIn(secure)
  expect(cookie).toMatch(/^__Host-entrepot=[\w.-]+; Max-Age=\d+; Path=\/; HttpOnly; SameSite=Lax; Secure$/)
  expect(await selfOf(secure, sent(cookie))).toMatchObject({ name: 'alice' })
  const withoutPrefix = sent(cookie.replace('__Host-', ''))
  expect(await selfOf(secure, withoutPrefix)).toMatchObject({ kind: 'anonymous' })
})

test('every replica with the secret knows the session, one with another does not', async () => {
  await using one = await start()
  const cookie = sent(await logIn(one))
  const htpasswd = await import('node:fs/promises').then(({ readFile }) => readFile(one.usersPath, 'utf8'))
  await using other = await start({ htpasswd })
  expect(await selfOf(other, cookie)).toMatchObject({ name: 'alice' })
  await using foreign = await start({
    htpasswd,
    sessions: (people) =>
      new BrowserSessions({ people, secret: 'another', lifetimeMs: 60_000, providers: [] }),
  })
  expect(await selfOf(foreign, cookie)).toMatchObject({ kind: 'anonymous' })
})

test.each([
  ['a wrong password', { username: 'alice', password: 'x' }, {}, '401 UNAUTHORIZED'],
  [
    'another site',
    { username: 'alice', password: 'alice' },
    { 'sec-fetch-site': 'cross-site' },
    '403 DENIED',
  ],
  [
    'a site of the same domain',
    { username: 'alice', password: 'alice' },
    { 'sec-fetch-site': 'same-site' },
    '403 DENIED',
  ],
  ['a form', { username: 'alice', password: 'alice' }, { 'content-type': 'text/plain' }, '400 UNSUPPORTED'],
  ['no name', { password: 'alice' }, {}, '400 UNSUPPORTED'],
])('a login with %s is refused, without a challenge', async (_, body, headers, expected) => {
  await using guarded = await start()
  const answer = await guarded.registry.send(`POST ${SESSION}`, {
    headers: { ...json, ...ownPage, ...headers },
    body: JSON.stringify(body),
  })
  expect(refusal(answer)).toBe(expected)
  expect(answer.headers['www-authenticate']).toBeUndefined()
  expect(cookiesOf(answer)).toEqual([])
})

test('the session is good for reading and DELETE from our own page, never for uploads', async () => {
  await using guarded = await start()
  const { registry } = guarded
  const body = payloadOf(indexJson({ manifests: [] }))
  const push = (headers: object) =>
    registry.send('PUT /v2/team/a/manifests/v1', {
      headers: { 'content-type': MediaType.ociIndex, ...headers },
      body,
    })
  expect((await push(basic('alice'))).status).toBe(201)
  const cookie = sent(await logIn(guarded))
  expect((await push({ ...cookie, ...ownPage })).status).toBe(401)
  expect(
    (await registry.send('POST /v2/team/a/blobs/uploads/', { headers: { ...cookie, ...ownPage } })).status,
  ).toBe(401)
  expect((await registry.send('GET /v2/team/a/manifests/v1', { headers: cookie })).status).toBe(200)
  const remove = (headers: object) =>
    registry.send('DELETE /v2/team/a/manifests/v1', { headers: { ...cookie, ...headers } })
  for (const headers of [
    {},
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'none' },
    { origin: 'https://evil.example' },
  ])
    expect(refusal(await remove(headers))).toBe('403 DENIED')
  expect((await remove({ origin: registry.url })).status).toBe(202)
})

test('a session has the rights of its person, as they are now, and ends with the account', async () => {
  await using guarded = await start()
  const { registry } = guarded
  const cookie = sent(await logIn(guarded, 'bob'))
  expect(refusal(await registry.send('GET /v2/team/a/tags/list', { headers: cookie }))).toBe('403 DENIED')
  registry.access?.replaceRules({ rules: [rule('team/**', 'bob', 'pull')], groups: {} })
  expect(refusal(await registry.send('GET /v2/team/a/tags/list', { headers: cookie }))).toBe(
    '404 NAME_UNKNOWN',
  )
  const { writeFile } = await import('node:fs/promises')
  await writeFile(guarded.usersPath, 'nobody:!\n')
  await expect.poll(async () => (await selfOf(guarded, cookie)).kind).toBe('anonymous')
})

test('a header with credentials prevails over the cookie, and a browser of our page gets no challenge', async () => {
  await using guarded = await start()
  const cookie = sent(await logIn(guarded))
  expect(await selfOf(guarded, { ...cookie, ...basic('bob') })).toMatchObject({ name: 'bob', session: null })
  const answer = await guarded.registry.send('GET /v2/_catalog', { headers: ownPage })
  expect([answer.status, answer.headers['www-authenticate']]).toEqual([401, undefined])
  const other = await guarded.registry.send('GET /v2/_catalog')
  expect(other.headers['www-authenticate']).toBe('Basic realm="the test"')
})

test('without sessions there is no login, and a cookie is nobody’s', async () => {
  await using guarded = await GuardedRegistry.start({ users: ['alice'] })
  expect(await selfOf(guarded, { cookie: 'entrepot=x' })).toMatchObject({
    kind: 'anonymous',
    login: { isPossible: false },
  })
  expect(refusal(await guarded.registry.send(`DELETE ${SESSION}`, { headers: ownPage }))).toBe(
    '404 UNSUPPORTED',
  )
})

const NAMES = { user: 'preferred_username', groups: ['groups'], require: {} }

/** A registry whose people log in at the issuer. */
async function startAt(issuer: PersonIssuer, claims: Partial<typeof NAMES> = {}): Promise<GuardedRegistry> {
  const settings = {
    ...{ id: 'acme', name: 'Acme', issuer: issuer.url, clientId: 'registry', clientSecret: issuer.secret },
    ...{ scopes: ['profile'], prefix: 'idp:', claims: { ...NAMES, ...claims } },
  }
  const providers = [new ProviderLogin(settings, { secret, log: silent })]
  const guarded = await start({
    sessions: (people) => new BrowserSessions({ people, secret, lifetimeMs: 60_000, providers }),
  })
  issuer.allow(`${guarded.registry.url}/v2/_entrepot/user/callback`)
  return guarded
}

/** Begins a login and follows the provider, up to where it leads back to. */
async function consented({ registry }: GuardedRegistry, issuer: PersonIssuer, returnTo = '/ui/repositories') {
  const query = new URLSearchParams({ provider: 'acme', return: returnTo })
  const begin = await registry.send(`GET /v2/_entrepot/user/login?${query}`)
  expect(begin.status).toBe(302)
  const location = begin.headers.location ?? ''
  const path = (await issuer.consent(location)).slice(registry.url.length)
  return { location: new URL(location), path, waiting: sent(cookiesOf(begin)[0] ?? '') }
}

test('a person of an identity provider logs in, with the groups that it names', async () => {
  await using issuer = await PersonIssuer.start({ sub: '17', preferred_username: 'carol', groups: ['staff'] })
  await using guarded = await startAt(issuer)
  const { registry } = guarded
  const { location, path, waiting } = await consented(guarded, issuer)
  const { code_challenge: challenge, ...asked } = Object.fromEntries(location.searchParams)
  expect(asked).toMatchObject({
    response_type: 'code',
    code_challenge_method: 'S256',
    scope: 'openid profile',
  })
  for (const random of [challenge, asked.state, asked.nonce]) expect(random).toMatch(/^[\w-]{43}$/)
  const failed = await registry.send(`GET ${path}`)
  expect(failed.headers.location).toBe('/ui/login?error=expired')
  const end = await registry.send(`GET ${path}`, { headers: waiting })
  expect([end.status, end.headers.location]).toEqual([302, '/ui/repositories'])
  const session = cookiesOf(end).find((set) => set.startsWith('entrepot=')) ?? ''
  expect(await selfOf(guarded, sent(session))).toMatchObject({
    kind: 'user',
    name: 'idp:carol',
    groups: ['idp:staff'],
  })
  expect(refusal(await registry.send('GET /v2/team/a/tags/list', { headers: sent(session) }))).toBe(
    '404 NAME_UNKNOWN',
  )
  const again = await registry.send(`GET ${path}`, { headers: waiting })
  expect(again.headers.location).toBe('/ui/login?error=failed&return=%2Fui%2Frepositories')
})

test.each([
  ['groups', { sub: '17', preferred_username: 'carol', _claim_names: { groups: 'src1' } }, {}],
  ['denied', { sub: '17', preferred_username: 'carol', tid: 'another' }, { require: { tid: 'ours' } }],
  ['failed', { sub: '17' }, {}],
])('a login without what it needs fails: %s', async (error, person, claims) => {
  await using issuer = await PersonIssuer.start(person)
  await using guarded = await startAt(issuer, claims)
  const { path, waiting } = await consented(guarded, issuer)
  const end = await guarded.registry.send(`GET ${path}`, { headers: waiting })
  expect(end.headers.location).toBe(`/ui/login?error=${error}&return=%2Fui%2Frepositories`)
  expect(cookiesOf(end).filter((set) => /^entrepot=[^;]/.test(set))).toEqual([])
})

test.each(['//evil.example', '/\\evil.example', 'https://evil.example', 'ui'])(
  'a login does not lead to %s',
  async (target) => {
    await using issuer = await PersonIssuer.start({ sub: '17', preferred_username: 'carol' })
    await using guarded = await startAt(issuer)
    const { path, waiting } = await consented(guarded, issuer, target)
    const end = await guarded.registry.send(`GET ${path}`, { headers: waiting })
    expect(end.headers.location).toBe('/ui/')
  },
)
