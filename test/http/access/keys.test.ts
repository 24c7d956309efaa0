/** Keys that people make for the command line: who may make them, what they are good for, and how they end. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { hashSecret, newSecret } from '../../../src/auth/robots/robots-file.ts'
import type { AuditEntry } from '../../../src/core/access/audit-log.ts'
import type { Person } from '../../../src/core/access/sessions.ts'
import { keyList, newKey } from '../../../src/http/handlers/extension/key-answers.ts'
import { BrowserSessions } from '../../../src/login/browser-sessions.ts'
import { Sealing } from '../../../src/login/sealing.ts'
import { FilesystemDriver } from '../../../src/storage/filesystem.ts'
import { MemoryDriver } from '../../../src/storage/memory.ts'
import {
  basic,
  bearer,
  type GuardedOptions,
  GuardedRegistry,
  htpasswdOf,
  issuerSettings,
  rule,
} from '../../support/access.ts'
import { refusal } from '../../support/http-registry.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

const KEYS = '/v2/_entrepot/user/keys'
const DAY_MS = 24 * 3_600_000
const json = { 'content-type': 'application/json' }
const ownPage = { 'sec-fetch-site': 'same-origin' }
const secret = 'the secret of the replicas'
const rules = [
  rule('team/**', 'alice', '*'),
  rule('team/**', 'group:idp:staff', 'pull'),
  rule('open', 'anonymous', 'pull'),
]

const start = ({ auth, ...options }: GuardedOptions = {}) =>
  GuardedRegistry.start({
    users: ['alice', 'bob'],
    auth: { rules, keys: { lifetime: 100 * DAY_MS }, ...auth },
    sessions: (people) => new BrowserSessions({ people, secret, lifetimeMs: 60_000, providers: [] }),
    ...options,
  })

async function make({ registry }: GuardedRegistry, wanted: object = {}, headers: object = basic('alice')) {
  const answer = await registry.send(`POST ${KEYS}`, {
    headers: { ...json, ...headers },
    body: JSON.stringify({ name: 'laptop', ...wanted }),
  })
  expect([answer.status, answer.headers['cache-control']]).toEqual([201, 'no-store'])
  return newKey.parse(JSON.parse(answer.body.toString()))
}

async function listed({ registry }: GuardedRegistry, headers: object = basic('alice')) {
  const answer = await registry.send(`GET ${KEYS}`, { headers: { ...headers } })
  expect(answer.status).toBe(200)
  return keyList.parse(JSON.parse(answer.body.toString())).keys
}

/** 200 if the repository may be pulled from: it has no content, but that is said only then. */
const mayPull = async ({ registry }: GuardedRegistry, headers: object, repository = 'team/a') => {
  const { status } = await registry.send(`GET /v2/${repository}/tags/list`, { headers: { ...headers } })
  return status === 404 ? 200 : status
}

const revoke = ({ registry }: GuardedRegistry, id: string, headers: object = basic('alice')) =>
  registry.send(`DELETE ${KEYS}?id=${id}`, { headers: { ...headers } })

const selfOf = async ({ registry }: GuardedRegistry, headers: object) =>
  JSON.parse(
    (await registry.send('GET /v2/_entrepot/user/self', { headers: { ...headers } })).body.toString(),
  )

test('a key is shown once, works as a password, records its last use, and ends at once when it is revoked', async () => {
  const driver = new MemoryDriver()
  await using guarded = await start({ driver })
  const { key, secret: password } = await make(guarded, { days: 30 })
  expect(key).toMatchObject({ name: 'laptop', repositories: ['**'], actions: ['*'], lastUsedAt: null })
  expect(Date.parse(key.expiresAt) - Date.parse(key.createdAt)).toBe(30 * DAY_MS)
  expect(await listed(guarded)).toEqual([key])
  for await (const page of driver.scan('/docker/registry/v2/keys'))
    for (const { path } of page) {
      const state = await driver.getState(path)
      expect(Buffer.from(state?.content ?? []).toString()).not.toContain(password.slice(-43))
    }
  const headers = basic('alice', password)
  expect(await mayPull(guarded, headers)).toBe(200)
  expect(await mayPull(guarded, headers, 'other')).toBe(403)
  await expect.poll(async () => (await listed(guarded))[0]?.lastUsedAt).not.toBeNull()
  expect(await mayPull(guarded, basic('bob', password))).toBe(401)
  expect(
    await mayPull(guarded, basic('alice', `${password.slice(0, -1)}${password.endsWith('A') ? 'B' : 'A'}`)),
  ).toBe(401)
  expect((await revoke(guarded, key.id)).status).toBe(204)
  expect(await mayPull(guarded, headers)).toBe(401)
  expect(await listed(guarded)).toEqual([])
  expect(refusal(await revoke(guarded, key.id))).toBe('404 UNSUPPORTED')
})

test('every replica over the storage knows a key, and that it was revoked', async () => {
  const driver = new MemoryDriver()
  const htpasswd = htpasswdOf(['alice'])
  await using one = await start({ driver, htpasswd })
  await using other = await start({ driver, htpasswd })
  const { key, secret: password } = await make(one)
  expect(await mayPull(other, basic('alice', password))).toBe(200)
  expect((await revoke(other, key.id)).status).toBe(204)
  await using third = await start({ driver, htpasswd })
  expect(await mayPull(third, basic('alice', password))).toBe(401)
})

test('a key is exchanged for tokens, which end with it', async () => {
  await using folder = await temporaryFolder()
  await using guarded = await start({ auth: { issuer: issuerSettings(folder.path) } })
  const { registry } = guarded
  const { key, secret: password } = await make(guarded, { actions: ['pull'] })
  const query = 'service=entrepot&offline_token=true&scope=repository:team/a:pull,push'
  const asked = await registry.send(`GET /auth/token?${query}`, { headers: basic('alice', password) })
  expect(asked.status).toBe(200)
  const { token, refresh_token: refresh } = JSON.parse(asked.body.toString())
  expect(await mayPull(guarded, bearer(token))).toBe(200)
  const upload = await registry.send('POST /v2/team/a/blobs/uploads/', { headers: bearer(token) })
  expect(upload.status).toBe(401)
  const form = (fields: object) =>
    registry.send('POST /auth/token', {
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({
        service: 'entrepot',
        scope: 'repository:team/a:pull',
        ...fields,
      }).toString(),
    })
  const passwordGrant = { grant_type: 'password', username: 'alice', password }
  const refreshGrant = { grant_type: 'refresh_token', refresh_token: refresh }
  expect((await form(passwordGrant)).status).toBe(200)
  expect((await form(refreshGrant)).status).toBe(200)
  // A token does not manage keys, and neither does a key.
  expect((await registry.send(`GET ${KEYS}`, { headers: bearer(token) })).status).toBe(401)
  expect((await revoke(guarded, key.id)).status).toBe(204)
  expect(await mayPull(guarded, bearer(token))).toBe(401)
  expect((await form(refreshGrant)).status).toBe(401)
  expect((await form(passwordGrant)).status).toBe(401)
})

test('a key has the rights of its owner as they are now, and no more than it was made for', async () => {
  await using guarded = await start()
  const { registry } = guarded
  const narrow = basic(
    'alice',
    (await make(guarded, { repositories: ['team/web'], actions: ['pull'] })).secret,
  )
  expect(await mayPull(guarded, narrow, 'team/web')).toBe(200)
  expect(await mayPull(guarded, narrow, 'team/a')).toBe(403)
  expect(await mayPull(guarded, narrow, 'open')).toBe(200)
  expect((await registry.send('POST /v2/team/web/blobs/uploads/', { headers: narrow })).status).toBe(403)
  registry.access?.replaceRules({ rules: [rule('team/**', 'bob', '*')], groups: {} })
  expect(await mayPull(guarded, narrow, 'team/web')).toBe(403)
})

test('a key ends with its owner, with the password it was made under, and with its time', async () => {
  await using guarded = await start()
  const keys = guarded.registry.access?.keys
  const owner = keys?.ownerOf('alice') as Person
  const wanted = { name: 'short', repositories: ['**'], actions: ['*' as const] }
  const short = await keys?.create(owner, { ...wanted, lifetimeMs: 1 })
  await expect.poll(() => mayPull(guarded, basic('alice', short?.secret))).toBe(401)
  const { secret: password } = await make(guarded)
  expect((await listed(guarded)).map(({ name }) => name)).toEqual(['laptop'])
  expect(await mayPull(guarded, basic('alice', password))).toBe(200)
  await writeFile(guarded.usersPath, htpasswdOf(['alice', 'bob']))
  await expect.poll(() => mayPull(guarded, basic('alice', password)), { timeout: 20_000 }).toBe(401)
})

test('a person of an identity provider has keys with the groups of the login', async () => {
  const provider = { id: 'acme', name: 'Acme', prefix: 'idp:' }
  const driver = new MemoryDriver()
  const options: GuardedOptions = {
    driver,
    auth: { login: { oidc: [provider] } },
    sessions: (people) =>
      new BrowserSessions({ people, secret, lifetimeMs: 60_000, providers: [provider as never] }),
  }
  await using guarded = await start(options)
  const person: Person = { source: 'provider', name: 'idp:carol', groups: ['idp:staff'], stamp: '' }
  const { value } = await new Sealing(secret, 'session').seal({ person }, 60_000)
  const session = { cookie: `entrepot=${value}`, ...ownPage }
  const { secret: password } = await make(guarded, {}, session)
  expect(await mayPull(guarded, basic('idp:carol', password))).toBe(200)
  expect(await listed(guarded, session)).toMatchObject([{ name: 'laptop' }])
  expect(await listed(guarded)).toEqual([])
  await using withoutProvider = await start({ driver })
  expect(await mayPull(withoutProvider, basic('idp:carol', password))).toBe(401)
})

test('only people who have logged in by themselves make keys, and only from a page of this registry', async () => {
  await using folder = await temporaryFolder()
  const path = join(folder.path, 'robots.json')
  const robotSecret = newSecret()
  const robot = { name: 'ci', secret: hashSecret(robotSecret), repositories: ['**'], actions: ['*'] }
  await writeFile(path, JSON.stringify({ robots: [{ ...robot, createdAt: new Date().toISOString() }] }))
  await using guarded = await start({ auth: { robots: { path } } })
  const { registry } = guarded
  const { key, secret: password } = await make(guarded)
  const body = JSON.stringify({ name: 'x' })
  const post = async (headers: object) =>
    refusal(await registry.send(`POST ${KEYS}`, { headers: { ...json, ...headers }, body }))
  for (const headers of [basic('alice', password), basic('robot+ci', robotSecret)]) {
    expect(await post(headers)).toBe('403 DENIED')
    expect(refusal(await registry.send(`GET ${KEYS}`, { headers }))).toBe('403 DENIED')
    expect(refusal(await revoke(guarded, key.id, headers))).toBe('403 DENIED')
    expect(await selfOf(guarded, headers)).toMatchObject({ keys: false })
  }
  expect(await post({})).toBe('401 UNAUTHORIZED')
  expect(await post({ ...basic('alice'), 'sec-fetch-site': 'cross-site' })).toBe('403 DENIED')
  expect(await post({ ...basic('alice'), origin: 'https://evil.example' })).toBe('403 DENIED')
  expect(await selfOf(guarded, basic('alice'))).toMatchObject({ keys: true })
  const stamp = guarded.registry.access?.keys?.ownerOf('alice')?.stamp
  const person = { source: 'password', name: 'alice', groups: [], stamp }
  const { value } = await new Sealing(secret, 'session').seal({ person }, 60_000)
  const cookie = { cookie: `entrepot=${value}` }
  expect(await post(cookie)).toBe('403 DENIED')
  expect(refusal(await revoke(guarded, key.id, cookie))).toBe('403 DENIED')
  // A key opens no session, and another person's key is none of one's own.
  const login = await registry.send('POST /v2/_entrepot/user/session', {
    headers: { ...json, ...ownPage },
    body: JSON.stringify({ username: 'alice', password }),
  })
  expect(refusal(login)).toBe('401 UNAUTHORIZED')
  expect(refusal(await revoke(guarded, key.id, basic('bob')))).toBe('404 UNSUPPORTED')
  expect((await revoke(guarded, key.id, { ...cookie, ...ownPage })).status).toBe(204)
})

test('what was changed on storage without the secret of the registry is no key', async () => {
  const driver = new MemoryDriver()
  await using guarded = await start({ driver })
  const { secret: password } = await make(guarded, { repositories: ['none'] })
  for await (const page of driver.scan('/docker/registry/v2/keys'))
    for (const { path } of page) {
      const found = await driver.getState(path)
      const text = Buffer.from(found?.content ?? []).toString()
      await driver.swapState(path, Buffer.from(text.replace('"none"', '"**"')), found?.version)
    }
  expect(await mayPull(guarded, basic('alice', password))).toBe(401)
})

test('a guess waits in the queue of failed logins, as that of a password does', async () => {
  await using guarded = await start({ loginThrottle: { maxWaiting: 0 } })
  const keys = guarded.registry.access?.keys
  const wanted = { name: 'laptop', repositories: ['**'], actions: ['*' as const], lifetimeMs: DAY_MS }
  const made = await keys?.create(keys.ownerOf('alice') as Person, wanted)
  const guess = `entk_${made?.key.id}_${'a'.repeat(43)}`
  expect(await mayPull(guarded, basic('alice', guess))).toBe(429)
})

test('the audit log names the key', async () => {
  const lines: AuditEntry[] = []
  await using guarded = await start({ audit: { record: (entry) => lines.push(entry) } })
  const { key, secret: password } = await make(guarded)
  await mayPull(guarded, basic('alice', password))
  await revoke(guarded, key.id)
  await expect.poll(() => lines.length).toBe(3)
  const shown = lines.map(({ user, action, method, key, allowed }) => ({
    user,
    action,
    method,
    key,
    allowed,
  }))
  expect(shown).toEqual([
    { user: 'alice', action: 'keys', method: 'POST', key: key.id, allowed: true },
    { user: 'alice', action: 'pull', method: 'GET', key: key.id, allowed: true },
    { user: 'alice', action: 'keys', method: 'DELETE', key: key.id, allowed: true },
  ])
})

const REFUSED: readonly (readonly [string, object])[] = [
  ['no name', {}],
  ['an empty name', { name: '' }],
  ['a long name', { name: 'x'.repeat(65) }],
  ['a control character', { name: 'a\u0007' }],
  ['no time', { name: 'x', days: 0 }],
  ['more days than allowed', { name: 'x', days: 101 }],
  ['a bad glob', { name: 'x', repositories: ['a**'] }],
  ['a glob that never ends', { name: 'x', repositories: ['a\\\\\\\\'] }],
  ['a glob that takes too long', { name: 'x', repositories: ['+(a*)b'] }],
  ['no repository', { name: 'x', repositories: [] }],
  ['an unknown action', { name: 'x', actions: ['admin'] }],
  ['another key', { name: 'x', groups: ['admins'] }],
]

test('a key with what makes no sense is refused', async () => {
  await using guarded = await start()
  const headers = { ...json, ...basic('alice') }
  for (const [what, body] of REFUSED) {
    const answer = await guarded.registry.send(`POST ${KEYS}`, { headers, body: JSON.stringify(body) })
    expect([what, refusal(answer)]).toEqual([what, '400 UNSUPPORTED'])
  }
})

test('there are none where they are not configured, and none are made while the registry is read-only', async () => {
  await using without = await start({ auth: { keys: undefined } })
  expect(refusal(await without.registry.send(`GET ${KEYS}`, { headers: basic('alice') }))).toBe(
    '404 UNSUPPORTED',
  )
  expect(await selfOf(without, basic('alice'))).toMatchObject({ keys: false })
  await using readOnly = await start({ settings: { readOnly: true } })
  const body = JSON.stringify({ name: 'x' })
  const made = await readOnly.registry.send(`POST ${KEYS}`, { headers: { ...json, ...basic('alice') }, body })
  expect(refusal(made)).toBe('405 UNSUPPORTED')
})

test('at most 50 keys are valid, also if two replicas make them at the same time', async () => {
  await using folder = await temporaryFolder({ inMemory: true })
  await using one = await start({ driver: new FilesystemDriver({ root: folder.path }) })
  await using other = await start({ driver: new FilesystemDriver({ root: folder.path }) })
  const create = async ({ registry }: GuardedRegistry) => {
    const headers = { ...json, ...basic('alice') }
    return (await registry.send(`POST ${KEYS}`, { headers, body: '{"name":"one of many"}' })).status
  }
  // Passwords are checked one after the other, unless they are known.
  for (const registry of [one, other]) await listed(registry)
  const statuses = await Promise.all(
    Array.from({ length: 56 }, (_, index) => create(index % 2 ? one : other)),
  )
  expect(statuses.filter((status) => status === 201)).toHaveLength(50)
  expect(statuses.filter((status) => status === 400)).toHaveLength(6)
  const keys = await listed(one)
  expect(keys).toHaveLength(50)
  // What is revoked makes room.
  await revoke(other, keys[0]?.id ?? '')
  expect([await create(one), await create(other)]).toEqual([201, 400])
})
