/** A process that keeps people out, and takes other rules while it runs. */
import { appendFile, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { basic, htpasswdOf } from './support/access.ts'
import { configOf, ruled, startGuarded as start } from './support/guarded-process.ts'

test('rules are read again when the file changes, and when the process is told to', async () => {
  await using started = await start(ruled(`[{repositories: [a], who: [alice], actions: [pull]}]`))
  const { server, folder, configPath, statusFor } = started
  expect([await statusFor('alice', 'a'), await statusFor('bob', 'a')]).toEqual([404, 403])
  await writeFile(configPath, configOf(ruled(`[{repositories: [a], who: [bob], actions: [pull]}]`)(folder)))
  await expect.poll(() => statusFor('bob', 'a'), { timeout: 10_000 }).toBe(404)
  expect(await statusFor('alice', 'a')).toBe(403)
  await writeFile(
    configPath,
    configOf(ruled(`[{repositories: [a], who: [anonymous], actions: [pull]}]`)(folder)),
  )
  process.kill(server.pid, 'SIGHUP')
  await expect.poll(() => statusFor(undefined, 'a'), { timeout: 10_000 }).toBe(404)
})

test('a configuration that cannot be used keeps the rules, and says so', async () => {
  await using started = await start(ruled(`[{repositories: [a], who: [alice], actions: [pull]}]`))
  const { server, folder, configPath, statusFor } = started
  await writeFile(configPath, configOf(ruled(`[{repositories: [a], who: [bob], actions: [fly]}]`)(folder)))
  process.kill(server.pid, 'SIGHUP')
  await expect
    .poll(() => server.output, { timeout: 10_000 })
    .toMatch(/auth\.rules\[0\]\.actions\[0\]: found \\"fly\\".*the old rules stay in force/)
  expect([await statusFor('alice', 'a'), await statusFor('bob', 'a')]).toEqual([404, 403])
  await writeFile(configPath, ': no: yaml')
  process.kill(server.pid, 'SIGHUP')
  await expect.poll(() => server.output, { timeout: 10_000 }).toContain('not valid YAML')
  expect(await statusFor('alice', 'a')).toBe(404)
})

test('workers take other rules too, those that are there and those that come later', async () => {
  const auth = (user: string) => (folder: string) =>
    `${ruled(`[{repositories: [a], who: [${user}], actions: [pull]}]`)(folder)}\n  audit: {path: ${folder}/audit.log}`
  const text = (user: string) => (folder: string) =>
    configOf(auth(user)(folder))
      .replace('storage: inmemory', `storage: {filesystem: {rootdirectory: ${folder}/data}}`)
      .replace("http: {addr: '127.0.0.1:0'}", "http: {addr: '127.0.0.1:0', workers: 2}")
  await using started = await start(auth('alice'), { text: text('alice') })
  const { server, folder, configPath } = started
  // Each on a connection of its own, so that both workers are asked.
  const statusesFor = async (user: string) => {
    const headers = { ...basic(user), connection: 'close' }
    const asked = Array.from({ length: 6 }, () => fetch(`${server.url}/v2/a/tags/list`, { headers }))
    return [...new Set((await Promise.all(asked)).map(({ status }) => status))]
  }
  expect([await statusesFor('alice'), await statusesFor('bob')]).toEqual([[404], [403]])
  await writeFile(configPath, text('bob')(folder))
  await expect.poll(() => statusesFor('bob'), { timeout: 10_000 }).toEqual([404])
  expect(await statusesFor('alice')).toEqual([403])

  const workerPid = Number(/"workerPid":(\d+)/.exec(server.output)?.[1])
  process.kill(workerPid, 'SIGKILL')
  const listening = () => server.output.match(/a worker listens/g)?.length
  await expect.poll(listening, { timeout: 20_000 }).toBe(3)
  expect([await statusesFor('alice'), await statusesFor('bob')]).toEqual([[403], [404]])

  await rename(join(folder, 'audit.log'), join(folder, 'audit.log.1'))
  process.kill(server.pid, 'SIGHUP')
  await expect
    // Lines of the last requests may still come.
    .poll(() => readFile(join(folder, 'audit.log'), 'utf8').catch(() => 'none'), { timeout: 10_000 })
    .not.toBe('none')
})

test('access control is neither added nor taken away while it runs', async () => {
  await using started = await start(ruled(`[{repositories: [a], who: [alice], actions: [pull]}]`))
  const { server, configPath, statusFor } = started
  await writeFile(configPath, configOf('  none: {}'))
  process.kill(server.pid, 'SIGHUP')
  await expect.poll(() => server.output, { timeout: 10_000 }).toContain('without a restart')
  expect(await statusFor(undefined, 'a')).toBe(401)
})

test('the audit log goes to a file that can be moved away', async () => {
  await using started = await start(
    (folder) => `${ruled('[]')(folder)}\n  audit: {path: ${folder}/audit.log}`,
  )
  const { server, folder, statusFor } = started
  const path = join(folder, 'audit.log')
  await statusFor('alice', 'a')
  await expect.poll(() => readFile(path, 'utf8'), { timeout: 10_000 }).toContain('"user":"alice"')
  await rename(path, `${path}.1`)
  process.kill(server.pid, 'SIGHUP')
  await expect.poll(() => readFile(path, 'utf8').catch(() => 'none'), { timeout: 10_000 }).toBe('')
  await statusFor('bob', 'a')
  await expect.poll(() => readFile(path, 'utf8'), { timeout: 10_000 }).toContain('"user":"bob"')
  expect(await readFile(`${path}.1`, 'utf8')).not.toContain('"user":"bob"')
})

test('or to standard output, among the other lines', async () => {
  await using started = await start((folder) => `${ruled('[]')(folder)}\n  audit: {path: stdout}`)
  await started.statusFor('alice', 'a')
  await expect
    .poll(() => started.server.output, { timeout: 10_000 })
    .toMatch(/^\{"audit":true,.*"user":"alice"/m)
})

test.each([
  ['htpasswd: {realm: a, path: /no/such/file}', /auth\.htpasswd\.path: \/no\/such\/file: ENOENT/],
  [
    'token: {realm: "https://a", service: b, issuer: c, jwks: /no/such/file}',
    /auth\.token\.jwks: \/no\/such\/file: ENOENT/,
  ],
  [
    'issuer: {keys: /dev/null/keys}\n  robots: {path: /no/robots}',
    /auth\.issuer\.keys: \/dev\/null\/keys: ENOTDIR/,
  ],
  ['audit: {path: /no/such/folder/log}', /auth\.audit\.path: \/no\/such\/folder\/log: ENOENT/],
])('a file that is missing keeps it from starting: %s', async (auth, message) => {
  await expect(start(() => `  ${auth}`)).rejects.toThrow(message)
})

test('requests are counted where http.limits says so', async () => {
  await using started = await start(
    () => '  none: {}\nhttp: {addr: "127.0.0.1:0", limits: {requestspersecond: 2}}',
  )
  const statuses = await Promise.all(Array.from({ length: 10 }, () => started.statusFor(undefined, 'a')))
  expect(new Set(statuses)).toEqual(new Set([404, 429]))
})

test('a user that is added can log in at once, and the log has lines that let nobody in', async () => {
  await using started = await start((folder) => `  htpasswd: {realm: here, path: ${folder}/users}`)
  const { server, folder, statusFor } = started
  expect(await statusFor('carol', 'a')).toBe(401)
  await appendFile(join(folder, 'users'), `dave:$apr1$hidden\n${htpasswdOf(['carol'])}`)
  expect(await statusFor('carol', 'a')).toBe(404)
  await expect.poll(() => server.output, { timeout: 10_000 }).toMatch(/htpasswd, line 3: .*dave.*MD5/)
  expect(server.output).not.toContain('hidden')
})
