/** `http.limits.requestspersecond`, and whose address a request is taken to have. */
import { BlockList } from 'node:net'
import { expect, test } from 'vitest'
import { basic, GuardedRegistry, issuerSettings, rule } from '../../support/access.ts'
import { HttpRegistry, refusal } from '../../support/http-registry.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

function proxies(): BlockList {
  const list = new BlockList()
  list.addAddress('127.0.0.1')
  return list
}

async function statusesOf(send: () => Promise<{ status: number }>, times: number): Promise<number[]> {
  const statuses: number[] = []
  for (let request = 0; request < times; request++) statuses.push((await send()).status)
  return statuses
}

test('each user has requests of their own', async () => {
  const settings = { requestsPerSecond: 3 }
  await using guarded = await GuardedRegistry.start({ users: ['alice', 'bob'], settings })
  // The first of each takes its time, in which more is earned.
  for (const user of ['alice', 'bob']) await guarded.send('GET /v2/', user)
  const statuses = await statusesOf(() => guarded.send('GET /v2/', 'alice'), 8)
  expect(statuses.filter((status) => status === 429).length).toBeGreaterThanOrEqual(3)
  expect((await guarded.send('GET /v2/', 'bob')).status).toBe(200)
  const refused = await guarded.send('GET /v2/', 'alice')
  expect(refusal(refused)).toBe('429 TOOMANYREQUESTS')
  expect(refused.headers['retry-after']).toBe('1')
  await expect
    .poll(async () => (await guarded.send('GET /v2/', 'alice')).status, { timeout: 10_000 })
    .toBe(200)
})

test('each address has, too, also one whose credentials are no good', async () => {
  const settings = { requestsPerSecond: 2, trustedProxies: proxies() }
  await using guarded = await GuardedRegistry.start({
    users: ['alice'],
    settings,
    auth: { rules: [rule('**', 'anonymous', 'pull')] },
  })
  const from =
    (address: string, headers = {}) =>
    () =>
      guarded.registry.send('GET /v2/_catalog', { headers: { 'x-forwarded-for': address, ...headers } })
  expect(
    (await statusesOf(from('10.0.0.1'), 6)).filter((status) => status === 429).length,
  ).toBeGreaterThanOrEqual(2)
  expect((await from('10.0.0.2')()).status).toBe(200)
  const wrong = await statusesOf(from('10.0.0.3', basic('alice', 'wrong')), 8)
  expect(wrong).toContain(401)
  expect(wrong).toContain(429)
})

test('whoever asks for tokens is counted by address', async () => {
  await using folder = await temporaryFolder()
  await using guarded = await GuardedRegistry.start({
    settings: { requestsPerSecond: 2 },
    auth: { issuer: issuerSettings(folder.path) },
  })
  expect(await statusesOf(() => guarded.registry.send('GET /auth/jwks'), 8)).toContain(429)
})

test('without the setting there is no limit', async () => {
  await using registry = await HttpRegistry.start()
  expect(new Set(await statusesOf(() => registry.send('GET /v2/'), 50))).toEqual(new Set([200]))
})
