import { appendFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { hashSync } from '@node-rs/bcrypt'
import { expect, test } from 'vitest'
import { RecordedLog } from '../../../test/support/recorded-log.ts'
import { temporaryFolder } from '../../../test/support/temporary-folder.ts'
import type { Log } from '../../core/log.ts'
import { Bcrypt } from './bcrypt.ts'
import { Htpasswd } from './htpasswd.ts'

const quiet = { debug() {}, info() {}, warn() {}, error() {} }
const line = (user: string, password: string, cost = 4) => `${user}:${hashSync(password, cost)}\n`

async function usersOf(
  text: string,
  { log = quiet as Log, onChange = () => {}, bcrypt = new Bcrypt() } = {},
) {
  const folder = await temporaryFolder()
  const path = join(folder.path, 'users')
  await writeFile(path, text)
  const users = await Htpasswd.open({ path, bcrypt, log, onChange })
  return {
    users,
    path,
    async [Symbol.asyncDispose]() {
      users.close()
      await folder.remove()
    },
  }
}

test('the right password is right, and nothing else is', async () => {
  await using opened = await usersOf(line('alice', 'wonder') + line('bob', 'builder'))
  const { users } = opened
  expect(await users.verify('alice', 'wonder')).toBe(true)
  expect(await users.verify('alice', 'builder')).toBe(false)
  expect(await users.verify('alice', '')).toBe(false)
  expect(await users.verify('carol', 'wonder')).toBe(false)
  expect(await users.verify('', '')).toBe(false)
  expect(await users.verify('__proto__', 'wonder')).toBe(false)
})

test('without the file it does not open', async () => {
  await using folder = await temporaryFolder()
  const path = join(folder.path, 'missing')
  const opening = Htpasswd.open({ path, bcrypt: new Bcrypt(), log: quiet, onChange() {} })
  await expect(opening).rejects.toThrow(`auth.htpasswd.path: ${path}: ENOENT`)
})

test('a change counts for the next login', async () => {
  let changes = 0
  await using opened = await usersOf(line('alice', 'old'), { onChange: () => void changes++ })
  const { users, path } = opened
  const before = users.stampOf('alice')
  await writeFile(path, line('alice', 'new'))
  expect(await users.verify('alice', 'old')).toBe(false)
  expect(await users.verify('alice', 'new')).toBe(true)
  expect(users.stampOf('alice')).not.toBe(before)
  expect(changes).toBe(1)
  await appendFile(path, line('bob', 'builder'))
  expect(await users.verify('bob', 'builder')).toBe(true)
})

test('a file that is gone keeps its users, and the log says so', async () => {
  const recorded = await RecordedLog.start()
  await using opened = await usersOf(line('alice', 'wonder'), { log: recorded.log })
  await rm(opened.path)
  expect(await opened.users.verify('alice', 'wonder')).toBe(true)
  expect(await recorded.until('is unusable')).toContain('ENOENT')
})

test.each([
  ['is emptied', () => '', 'it has no user'],
  ['has comments only', () => '# people\n', 'it has no user'],
  ['is cut off in its first line', (text: string) => text.slice(0, 20), 'its last line is cut off'],
  ['is cut off in its last line', (text: string) => text.slice(0, -10), 'its last line is cut off'],
])('a file that %s keeps its users, and the log says so', async (_what, changed, reason) => {
  const recorded = await RecordedLog.start()
  const text = line('alice', 'wonder') + line('bob', 'builder')
  await using opened = await usersOf(text, { log: recorded.log })
  await writeFile(opened.path, changed(text))
  expect(await opened.users.verify('bob', 'builder')).toBe(true)
  expect(await recorded.until('its previous content stays in use')).toContain(reason)
  await writeFile(opened.path, line('alice', 'wonder'))
  expect(await opened.users.verify('bob', 'builder')).toBe(false)
  expect(await recorded.until('reloaded, because it has changed')).toContain('"users":1,"before":{"users":2}')
})

test('everybody is locked out by a line that says so, and by a start without users', async () => {
  const recorded = await RecordedLog.start()
  await using opened = await usersOf(line('alice', 'wonder'), { log: recorded.log })
  await writeFile(opened.path, 'nobody:!\n')
  expect(await opened.users.verify('alice', 'wonder')).toBe(false)
  await recorded.until('no user can log in')
  const another = await RecordedLog.start()
  await using empty = await usersOf('', { log: another.log })
  await another.until('no user can log in')
  await writeFile(empty.path, line('alice', 'wonder'))
  expect(await empty.users.verify('alice', 'wonder')).toBe(true)
})

test('users who are added slowly count when all are there', async () => {
  const log: object[] = []
  const info = (fields: object) => void log.push(fields)
  await using opened = await usersOf(line('alice', 'wonder'), { log: { ...quiet, info } })
  await writeFile(opened.path, '')
  for (const user of ['alice', 'bob', 'carol']) {
    await appendFile(opened.path, line(user, user))
    await delay(200)
  }
  expect(await opened.users.verify('carol', 'carol')).toBe(true)
  expect(log).toMatchObject([{ users: 3, before: { users: 1 } }])
})

test('a line that lets nobody in is in the log with its number, without its hash', async () => {
  const recorded = await RecordedLog.start()
  await using opened = await usersOf(`${line('alice', 'wonder')}bob:$apr1$x$secrethash\n`, {
    log: recorded.log,
  })
  expect(JSON.parse(await recorded.until('MD5'))).toMatchObject({ line: 2 })
  expect(recorded.lines.join()).not.toContain('secrethash')
  expect(await opened.users.verify('alice', 'wonder')).toBe(true)
})

test('more than so many at once are told to come again', async () => {
  await using opened = await usersOf(line('alice', 'wonder', 8), {
    bcrypt: new Bcrypt({ concurrency: 1, maxWaiting: 2 }),
  })
  const logins = Array.from({ length: 6 }, () => opened.users.verify('alice', 'wonder'))
  const results = await Promise.allSettled(logins)
  const refused = results.flatMap((result) => (result.status === 'rejected' ? [result.reason] : []))
  expect(refused.length).toBeGreaterThan(0)
  for (const reason of refused) expect(reason).toMatchObject({ code: 'TOOMANYREQUESTS' })
  expect(results.filter(({ status }) => status === 'fulfilled').length).toBeGreaterThanOrEqual(2)
})

test('the main thread goes on while passwords are looked at', async () => {
  await using opened = await usersOf(line('alice', 'wonder', 10))
  let turns = 0
  const timer = setInterval(() => void turns++, 1)
  await opened.users.verify('alice', 'wonder')
  clearInterval(timer)
  expect(turns).toBeGreaterThan(3)
})
