/** Passwords over HTTP: what they cost, and what guessing them comes to. */
import { writeFile } from 'node:fs/promises'
import { hashSync } from '@node-rs/bcrypt'
import { expect, test } from 'vitest'
import { basic, GuardedRegistry, htpasswdOf, issuerSettings } from '../../support/access.ts'
import { relativeDifference } from '../../support/compare-times.ts'
import { refusal } from '../../support/http-registry.ts'
import { RecordedLog } from '../../support/recorded-log.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

/** A password whose every check takes long enough to be noticed. */
function withSlowPassword(): Promise<GuardedRegistry> {
  return GuardedRegistry.start({ htpasswd: `alice:${hashSync('alice', 12)}\n` })
}

test('a password that was right is not checked again for every request', async () => {
  await using guarded = await withSlowPassword()
  const startedAt = performance.now()
  expect((await guarded.send('GET /v2/', 'alice')).status).toBe(200)
  const onceMs = performance.now() - startedAt
  const again = performance.now()
  for (let request = 0; request < 30; request++)
    expect((await guarded.send('GET /v2/', 'alice')).status).toBe(200)
  expect(performance.now() - again).toBeLessThan(onceMs * 15)
})

test('requests that come at once with the same password check it once', async () => {
  await using guarded = await withSlowPassword()
  const startedAt = performance.now()
  expect((await guarded.send('GET /v2/', 'alice')).status).toBe(200)
  const onceMs = performance.now() - startedAt
  await writeFile(guarded.usersPath, `alice:${hashSync('other', 12)}\n`)
  const many = performance.now()
  const headers = basic('alice', 'other')
  const answers = await Promise.all(
    Array.from({ length: 30 }, () => guarded.registry.send('GET /v2/', { headers })),
  )
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200))
  expect(performance.now() - many).toBeLessThan(onceMs * 15)
})

test('a password that is no longer the user’s is forgotten', async () => {
  await using guarded = await GuardedRegistry.start({ users: ['alice', 'bob'] })
  expect((await guarded.send('GET /v2/', 'alice')).status).toBe(200)
  await writeFile(guarded.usersPath, htpasswdOf(['bob']))
  await expect
    .poll(async () => (await guarded.send('GET /v2/', 'alice')).status, { timeout: 10_000 })
    .toBe(401)
})

test('wrong passwords slow the logins at their name down, and neither others nor those who are known', async () => {
  const loginThrottle = { free: 2, firstDelayMs: 1500, maxDelayMs: 1500, forgetMs: 60_000 }
  await using guarded = await GuardedRegistry.start({ users: ['alice', 'bob'], loginThrottle })
  expect((await guarded.send('GET /v2/', 'alice')).status).toBe(200)
  const guess = () => guarded.registry.send('GET /v2/', { headers: basic('alice', 'wrong') })
  expect([(await guess()).status, (await guess()).status]).toEqual([401, 401])
  const guessing = guess()
  let guessed = false
  void guessing.then(() => {
    guessed = true
  })
  expect((await guarded.send('GET /v2/', 'alice')).status).toBe(200)
  expect(guessed).toBe(false)
  expect((await guessing).status).toBe(401)
  expect((await guarded.send('GET /v2/', 'bob')).status).toBe(200)
})

test('while an address guesses, the right password gets in there within seconds', async () => {
  const htpasswd = htpasswdOf(['alice', 'bob'], 8)
  await using guarded = await GuardedRegistry.start({ htpasswd })
  let isGuessing = true
  let guesses = 0
  const guess = async (name: () => string) => {
    while (isGuessing) {
      const headers = basic(name(), `wrong ${guesses}`)
      await guarded.registry.send('GET /v2/', { headers }).catch(() => undefined)
      guesses += 1
    }
  }
  const guessers = [
    ...Array.from({ length: 40 }, () => guess(() => `x${Math.random()}`)),
    ...Array.from({ length: 40 }, () => guess(() => 'alice')),
  ]
  await expect.poll(() => guesses, { timeout: 60_000 }).toBeGreaterThan(100)
  const startedAt = performance.now()
  expect((await guarded.send('GET /v2/', 'bob')).status).toBe(200)
  expect(performance.now() - startedAt).toBeLessThan(10_000)
  isGuessing = false
  await guarded.registry.stop()
  await Promise.all(guessers)
}, 120_000)

test('a password that was right before gets in at once while others guess it, until it is another', async () => {
  const loginThrottle = { free: 1, firstDelayMs: 600_000, maxDelayMs: 600_000, maxWaiting: 3 }
  const [alice, bob, carol] = ['alice', 'bob', 'carol'].map((name) => htpasswdOf([name]))
  await using guarded = await GuardedRegistry.start({ htpasswd: `${alice}${bob}`, loginThrottle })
  const status = async (user: string, password = user) =>
    (await guarded.registry.send('GET /v2/', { headers: basic(user, password) })).status
  expect(await status('alice')).toBe(200)
  expect(await status('alice', 'wrong')).toBe(401)
  const held = Array.from({ length: 4 }, (_, index) =>
    status('alice', `wrong ${index}`).catch(() => 'cut off'),
  )
  // What was remembered by the header alone is forgotten with the first change of the file.
  expect(await status('bob')).toBe(200)
  await writeFile(guarded.usersPath, `${alice}${carol}`)
  await expect.poll(() => status('carol'), { timeout: 10_000, interval: 1000 }).toBe(200)
  expect(await status('alice')).toBe(200)
  await writeFile(guarded.usersPath, `${htpasswdOf(['other']).replace('other:', 'alice:')}${carol}`)
  await expect.poll(() => status('alice'), { timeout: 10_000 }).toBe(429)
  await guarded.registry.stop()
  await Promise.all(held)
})

test('too many guesses at once are told to come again', async () => {
  const loginThrottle = { free: 0, firstDelayMs: 1000, maxDelayMs: 1000, maxWaiting: 2 }
  await using guarded = await GuardedRegistry.start({ users: ['alice'], loginThrottle })
  const answers = await Promise.all(
    Array.from({ length: 6 }, (_, index) =>
      guarded.registry.send('GET /v2/', { headers: basic('alice', `wrong ${index}`) }),
    ),
  )
  const refused = answers.filter(({ status }) => status === 429)
  expect(refused.length).toBeGreaterThanOrEqual(3)
  for (const answer of refused) {
    expect(refusal(answer)).toBe('429 TOOMANYREQUESTS')
    expect(answer.headers['retry-after']).toBe('1')
  }
})

test('an unknown user takes as long to refuse as a wrong password of the most expensive one', async () => {
  const htpasswd = `${htpasswdOf(['cheap'])}alice:${hashSync('alice', 9)}\n`
  await using guarded = await GuardedRegistry.start({ htpasswd, loginThrottle: { free: 1_000_000 } })
  const login = (user: string) => async () => {
    const answer = await guarded.registry.send('GET /v2/', { headers: basic(user, 'wrong') })
    expect(answer.status).toBe(401)
  }
  const tolerance = 0.05
  expect(await relativeDifference([login('nobody'), login('alice')], { tolerance })).toBeLessThan(tolerance)
})

test('neither a password nor a token is in a log or an answer, whatever is wrong with it', async () => {
  const recorded = await RecordedLog.start()
  await using guarded = await GuardedRegistry.start({ users: ['alice'], log: recorded.log })
  const canary = 'c4nary'
  const bodies: string[] = []
  for (const authorization of [
    basic('alice', canary).authorization,
    basic('bob', canary).authorization,
    `Basic ${canary}`,
    `Bearer ${canary}`,
    `Bearer ${canary}.${canary}.${canary}`,
    canary,
  ]) {
    for (const request of [
      'GET /v2/',
      `GET /v2/a/tags/list?token=${canary}`,
      `POST /v2/a/blobs/uploads/?x=${canary}`,
    ]) {
      const answer = await guarded.registry.send(request, { headers: { authorization } })
      expect(answer.status).toBe(401)
      bodies.push(answer.body.toString(), JSON.stringify(answer.headers))
    }
  }
  await guarded.registry.stop(1000)
  expect(recorded.lines.length).toBeGreaterThan(10)
  const secrets = [canary, basic('alice', canary).authorization.slice(6)]
  const leaks = [...recorded.lines, ...bodies].filter((text) =>
    secrets.some((secret) => text.includes(secret)),
  )
  expect(leaks).toEqual([])
})

test('who watches is told of logins that failed, and not of requests without one', async () => {
  await using folder = await temporaryFolder()
  let failed = 0
  const observer = { begun() {}, ended() {}, loginFailed: () => failed++ }
  const auth = { issuer: issuerSettings(folder.path) }
  await using guarded = await GuardedRegistry.start({ users: ['alice'], auth, observer })
  await guarded.registry.send('GET /v2/')
  await guarded.send('GET /auth/token?service=entrepot', 'alice')
  expect(failed).toBe(0)
  for (const request of ['GET /v2/', 'GET /auth/token?service=entrepot']) await guarded.send(request, 'bob')
  expect(failed).toBe(2)
})
