/** Commands that change the same file of accounts at the same time, and some that are killed while they do. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { formatRobots, hashSecret, parseRobots, type Robot } from '../src/auth/robots/robots-file.ts'
import { entrepotMain, runEntrepot } from './support/command.ts'
import { type TemporaryFolder, temporaryFolder } from './support/temporary-folder.ts'

const takeLock = fileURLToPath(new URL('support/take-lock.program.ts', import.meta.url))

let folder: TemporaryFolder
beforeEach(async () => {
  folder = await temporaryFolder()
  await writeFile(
    at('config.yml'),
    `version: 0.1\nstorage: inmemory\nauth: {robots: {path: ${at('robots.json')}}}\n`,
  )
})
afterEach(() => folder.remove())

const at = (name: string) => join(folder.path, name)
const numbered = (count: number, name: string) =>
  Array.from({ length: count }, (_, index) => `${name}${index}`)
const create = (name: string) => ['robot', 'create', name, '-r', 'a/**', '-a', 'pull', at('config.yml')]
const revoke = (name: string) => ['robot', 'revoke', name, at('config.yml')]

/** Sixteen processes share a few processors. */
const run = (args: readonly string[], input?: string) =>
  runEntrepot(args, { timeoutMs: 80_000, ...(input === undefined ? {} : { input }) })

const robotNames = async () =>
  parseRobots(await readFile(at('robots.json'), 'utf8'))
    .map(({ name }) => name)
    .toSorted()

async function writeRobots(names: readonly string[]): Promise<void> {
  const robots = names.map((name): Robot => {
    const createdAt = new Date().toISOString()
    return { name, secret: hashSecret(name), repositories: ['**'], actions: ['*'], createdAt }
  })
  await writeFile(at('robots.json'), formatRobots(robots))
}

test('of sixteen commands at once, all that were made are there, and all that were revoked are gone', async () => {
  const [made, leaked] = [numbered(10, 'made'), numbered(6, 'leaked')]
  await writeRobots(['stays', ...leaked])
  const results = await Promise.all(
    made.flatMap((name, index) => {
      const revoked = leaked[index]
      return [run(create(name)), ...(revoked === undefined ? [] : [run(revoke(revoked))])]
    }),
  )
  expect(results.map(({ code }) => code)).toEqual(results.map(() => 0))
  expect(await robotNames()).toEqual([...made, 'stays'])
  expect((await readdir(folder.path)).toSorted()).toEqual(['config.yml', 'robots.json'])
})

test('sixteen users set their passwords at once, and the file keeps its mode', async () => {
  await writeFile(at('users'), '# people\n')
  await chmod(at('users'), 0o640)
  const users = numbered(16, 'user')
  const results = await Promise.all(users.map((user) => run(['htpasswd', at('users'), user], `${user}\n`)))
  expect(results.map(({ code, stderr }) => [code, stderr])).toEqual(
    users.map((user) => [0, `${user} has a new password\n`]),
  )
  const lines = (await readFile(at('users'), 'utf8')).trim().split('\n')
  expect(lines.map((line) => line.split(':')[0]).toSorted()).toEqual(['# people', ...users.toSorted()])
  expect((await stat(at('users'))).mode & 0o777).toBe(0o640)
  expect((await readdir(folder.path)).toSorted()).toEqual(['config.yml', 'users'])
})

test('of several who make a robot of one name, all but one are told that there is one', async () => {
  const results = await Promise.all(numbered(4, '').map(() => run(create('same'))))
  expect(results.map(({ code }) => code).toSorted()).toEqual([0, 1, 1, 1])
  const [{ stdout = '' } = {}] = results.filter(({ code }) => code === 0)
  const [robot] = parseRobots(await readFile(at('robots.json'), 'utf8'))
  expect(robot?.secret).toBe(hashSecret(/^secret {2}(.*)$/m.exec(stdout)?.[1] ?? ''))
})

test('one that was killed in the middle of its change holds up nobody', async () => {
  await writeRobots(['leaked'])
  const holder = spawn(process.execPath, [takeLock, at('robots.json'), at('journal'), '1', '1'])
  const [, signal] = await once(holder, 'exit')
  expect(signal).toBe('SIGKILL')
  expect(await readdir(folder.path)).toContain('robots.json.lock')
  const results = await Promise.all([run(revoke('leaked')), run(create('made'))])
  expect(results.map(({ code }) => code)).toEqual([0, 0])
  expect(await robotNames()).toEqual(['made'])
  expect((await readdir(folder.path)).toSorted()).toEqual(['config.yml', 'journal', 'robots.json'])
})

test('whatever moment commands are killed in, the file is whole, and what was reported done is in it', async () => {
  await writeRobots(['stays'])
  const killedAfter = async (name: string, afterMs: number): Promise<boolean> => {
    const child = spawn(process.execPath, [entrepotMain, ...create(name)], { stdio: 'ignore' })
    const timer = setTimeout(() => child.kill('SIGKILL'), afterMs)
    const [code] = await once(child, 'exit')
    clearTimeout(timer)
    return code === 0
  }
  const startedAt = performance.now()
  expect((await run(create('first'))).code).toBe(0)
  const usualMs = performance.now() - startedAt
  const done = ['stays', 'first']
  for (let round = 0; round < 4; round++) {
    const names = numbered(4, `round${round}x`)
    const outcomes = await Promise.all(
      names.map(async (name, index) => {
        await delay(index * 30)
        return killedAfter(name, usualMs * (0.7 + Math.random()))
      }),
    )
    done.push(...names.filter((_, index) => outcomes[index]))
    expect(await robotNames()).toEqual(expect.arrayContaining(done))
  }
  expect((await run(create('last'))).code).toBe(0)
  expect((await readdir(folder.path)).toSorted()).toEqual(['config.yml', 'robots.json'])
})
