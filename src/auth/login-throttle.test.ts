import { expect, test } from 'vitest'
import { RegistryError } from '../core/errors.ts'
import { LoginThrottle } from './login-throttle.ts'

const wrong = async () => undefined
const right = async () => 'alice'
const from = (address: string) => ({ address, hasLeft: false })
const alice = (address: string) => ({ client: from(address), username: 'alice' })
const quick = { free: 2, firstDelayMs: 60, maxDelayMs: 240, forgetMs: 60_000 }

async function milliseconds(work: () => Promise<unknown>): Promise<number> {
  const startedAt = performance.now()
  await work()
  return performance.now() - startedAt
}

test('a name waits longer the more of its logins from an address fail', async () => {
  const logins = new LoginThrottle(quick)
  const waits: number[] = []
  for (let attempt = 0; attempt < 6; attempt++) {
    waits.push(await milliseconds(() => logins.attempt(alice('10.0.0.1'), wrong)))
  }
  const expected = [0, 0, 60, 120, 240, 240]
  expected.forEach((wait, index) => {
    expect(waits[index]).toBeGreaterThanOrEqual(wait * 0.9)
  })
})

test('another address does not wait, and the right password is good after the wait', async () => {
  const logins = new LoginThrottle({ ...quick, firstDelayMs: 10_000, maxDelayMs: 10_000 })
  for (let attempt = 0; attempt < 2; attempt++) await logins.attempt(alice('10.0.0.1'), wrong)
  expect(await milliseconds(() => logins.attempt(alice('10.0.0.2'), right))).toBeLessThan(5_000)
  const patient = new LoginThrottle(quick)
  for (let attempt = 0; attempt < 3; attempt++) await patient.attempt(alice('10.0.0.1'), wrong)
  expect(await patient.attempt(alice('10.0.0.1'), right)).toBe('alice')
})

test.each([
  ['2001:db8:1:2::1', '2001:db8:1:2:3:4:5:6', true],
  ['2001:db8:1:2::1', '2001:db8:1:3::1', false],
  ['::1', '::2', true],
  ['2001:db8::1', '2001:db8:0:0:ffff::', true],
  ['10.0.0.1', '10.0.0.2', false],
])('%s and %s are one address: %s', async (one, other, same) => {
  const logins = new LoginThrottle({ ...quick, free: 1, firstDelayMs: 400, maxDelayMs: 400 })
  await logins.attempt(alice(one), wrong)
  const wait = await milliseconds(() => logins.attempt(alice(other), right))
  if (same) expect(wait).toBeGreaterThan(350)
  else expect(wait).toBeLessThan(350)
})

test('another name of the same address does not wait, however many are tried', async () => {
  const logins = new LoginThrottle({ ...quick, firstDelayMs: 500, maxDelayMs: 500 })
  for (let attempt = 0; attempt < 2; attempt++) await logins.attempt(alice('10.0.0.1'), wrong)
  const held = logins.attempt(alice('10.0.0.1'), wrong)
  let guesses = 0
  const guessers = Array.from({ length: 80 }, (_, index) =>
    logins.attempt({ client: from('10.0.0.1'), username: `x${index}` }, async () => {
      guesses += 1
      return undefined
    }),
  )
  const right = logins.attempt({ client: from('10.0.0.1'), username: 'bob' }, async () => guesses)
  expect(await right).toBe(80)
  await Promise.all([...guessers, held])
})

test('what clients who have left have asked for is not delayed, nor does it delay the end', async () => {
  const logins = new LoginThrottle({ ...quick, firstDelayMs: 10_000, maxDelayMs: 10_000 })
  const left = { client: { address: '10.0.0.1', hasLeft: true }, username: 'alice' }
  const took = await milliseconds(() =>
    Promise.all(Array.from({ length: 40 }, () => logins.attempt(left, wrong))),
  )
  expect(took).toBeLessThan(5_000)
})

test('failures are forgotten', async () => {
  const logins = new LoginThrottle({ ...quick, firstDelayMs: 5_000, maxDelayMs: 5_000, forgetMs: 1 })
  for (let attempt = 0; attempt < 20; attempt++) {
    await logins.attempt(alice('10.0.0.1'), async () => {
      // Longer than a failure is remembered.
      await new Promise((resolve) => setTimeout(resolve, 3))
      return undefined
    })
  }
})

test('attempts at once are tried one after the other, and only so many wait', async () => {
  let running = 0
  let most = 0
  const logins = new LoginThrottle({ maxWaiting: 3 })
  const attempt = () =>
    logins.attempt(alice('10.0.0.1'), async () => {
      running += 1
      most = Math.max(most, running)
      await new Promise(setImmediate)
      running -= 1
      return 'alice'
    })
  const attempts = [attempt()]
  await new Promise(setImmediate)
  const more = Array.from({ length: 5 }, () => Promise.resolve().then(attempt))
  const results = await Promise.allSettled([...attempts, ...more])
  const refused = results.filter(({ status }) => status === 'rejected')
  expect(most).toBe(1)
  expect(refused.length).toBeGreaterThanOrEqual(1)
  for (const { reason } of refused as PromiseRejectedResult[]) {
    expect(reason).toBeInstanceOf(RegistryError)
    expect(reason).toMatchObject({ code: 'TOOMANYREQUESTS' })
  }
})
