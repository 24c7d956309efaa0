/** Files that are rewritten, cut off, or hostile, while the registry runs: nobody gains by it, and the process lives. */
import { execFileSync } from 'node:child_process'
import { mkdir, open, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { basic } from '../support/access.ts'
import { runEntrepot } from '../support/command.ts'
import { type GuardedProcess, startGuarded } from '../support/guarded-process.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const textOf = (folder: string, workers: number) => `version: 0.1
log: {formatter: json}
storage:
  filesystem: {rootdirectory: ${folder}/data}
  delete: {enabled: true}
http: {addr: '127.0.0.1:0', workers: ${workers}}
auth:
  htpasswd: {realm: here, path: ${folder}/users}
  groups:
    team: [alice]
  rules:
    - repositories: [secret/**]
      who: [group:team]
      actions: ['*']
    - repositories: ['**']
      who: [bob]
      actions: [pull]
`

const asked = [
  ['GET', 'secret/x', 'alice'],
  ['GET', 'other', 'alice'],
  ['GET', 'other', 'bob'],
  ['DELETE', 'secret/x', 'bob'],
  ['GET', 'other', undefined],
] as const
/** Of each of them; who is let in finds nothing. */
const statuses = [404, 403, 404, 403, 401]

const refused = 'without a restart; the old rules stay in force'
const unusable = 'the configuration is invalid; the old rules stay in force'
const taken = 'the rules were reloaded'

class Rewritten implements AsyncDisposable {
  readonly #started: GuardedProcess
  readonly text: string
  readonly #seen = new Map<string, number>()

  private constructor(started: GuardedProcess, text: string) {
    this.#started = started
    this.text = text
  }

  static async start(workers: number): Promise<Rewritten> {
    const started = await startGuarded(() => '', { text: (folder) => textOf(folder, workers) })
    return new Rewritten(started, textOf(started.folder, workers))
  }

  get path(): string {
    return this.#started.configPath
  }

  get folder(): string {
    return this.#started.folder
  }

  get pid(): number {
    return this.#started.server.pid
  }

  get output(): string {
    return this.#started.server.output
  }

  /** Resolves when the log says something so many times more than when it was last waited for. */
  async says(message: string, times = 1): Promise<void> {
    const before = this.#seen.get(message) ?? 0
    const count = () => this.output.split(message).length - 1
    await expect.poll(count, { timeout: 20_000 }).toBeGreaterThanOrEqual(before + times)
    this.#seen.set(message, count())
  }

  /** What everybody gets, from every worker. */
  async statuses(): Promise<number[]> {
    const { url } = this.#started.server
    const statusOf = async ([method, repository, user]: (typeof asked)[number]) => {
      const path = method === 'GET' ? 'tags/list' : 'manifests/latest'
      // On connections of their own, which go to the workers in turn.
      const headers = { connection: 'close', ...(user === undefined ? {} : basic(user)) }
      const sent = [1, 2, 3, 4].map(() => fetch(`${url}/v2/${repository}/${path}`, { method, headers }))
      const found = new Set((await Promise.all(sent)).map(({ status }) => status))
      expect([method, repository, user, ...found]).toHaveLength(4)
      return [...found][0]!
    }
    return Promise.all(asked.map(statusOf))
  }

  /** True while the process that was started runs. */
  get isAlive(): boolean {
    try {
      return process.kill(this.pid, 0)
    } catch {
      return false
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#started[Symbol.asyncDispose]()
  }
}

let registry: Rewritten
afterEach(() => registry?.[Symbol.asyncDispose]())

describe.each([1, 2])('with %i at work', (workers) => {
  test('a file that is rewritten in place, with a pause in the middle, opens nothing', async () => {
    registry = await Rewritten.start(workers)
    const { path, text } = registry
    expect(await registry.statuses()).toEqual(statuses)
    const cuts: [number, string][] = [
      [0, unusable],
      [text.indexOf('auth:'), refused],
      [text.indexOf('  rules:'), refused],
      [text.indexOf('    - repositories: [secret'), refused],
      [text.indexOf('team]'), unusable],
    ]
    for (const [cut, said] of cuts) {
      const file = await open(path, 'w')
      await file.writeFile(text.slice(0, cut))
      await registry.says(said)
      expect(await registry.statuses()).toEqual(statuses)
      await file.writeFile(text.slice(cut))
      await file.close()
      await registry.says(taken)
      expect(await registry.statuses()).toEqual(statuses)
    }
  })

  test('one that is cut off between two rules takes away, and gives nothing', async () => {
    registry = await Rewritten.start(workers)
    const { path, text } = registry
    await writeFile(path, text.slice(0, text.indexOf("    - repositories: ['**']")))
    await registry.says('"rules":1,"before":2')
    expect(await registry.statuses()).toEqual([404, 403, 403, 403, 401])
    await writeFile(path, text)
    await registry.says('"rules":2,"before":1')
    expect(await registry.statuses()).toEqual(statuses)
    await writeFile(path, text.replace(/rules:.*/s, 'rules: []\n'))
    await registry.says('"rules":0,"before":2')
    expect(await registry.statuses()).toEqual([403, 403, 403, 403, 401])
  })

  test('whatever stands in it, the process lives, and the rights are what they were', async () => {
    registry = await Rewritten.start(workers)
    const { path, text } = registry
    for (const more of [
      'loop: &a [*a]\n',
      'x:\n  <<:\n',
      `bomb: &a [${Array(2000).fill('x').join(',')}]\nb: [${Array(99).fill('*a').join(',')}]\n`,
      `    - {repositories: ['${'x'.repeat(70_000)}'], who: [bob], actions: ['*']}\n`,
      "    - {repositories: ['**'], who: [bob], actions: ['*']}",
    ]) {
      await writeFile(path, text + more)
      await registry.says(unusable)
      expect([registry.isAlive, await registry.statuses()]).toEqual([true, statuses])
    }
    await rm(path)
    await registry.says(unusable)
    await mkdir(path)
    await registry.says(unusable)
    await rm(path, { recursive: true })
    execFileSync('mkfifo', [path])
    await registry.says(unusable)
    expect([registry.isAlive, await registry.statuses()]).toEqual([true, statuses])
    if (workers > 1) await replaceWorker()
    expect(await registry.statuses()).toEqual(statuses)
    await rm(path)
    await writeFile(path, text)
    await registry.says(taken)
  })

  test('a file of users that is emptied keeps everybody, and says so', async () => {
    registry = await Rewritten.start(workers)
    await writeFile(join(registry.folder, 'users'), '')
    await registry.says('it has no user', workers)
    expect(await registry.statuses()).toEqual(statuses)
  })
})

async function replaceWorker(): Promise<void> {
  const { output } = registry
  process.kill(Number(/"workerPid":(\d+)/.exec(output)?.[1]), 'SIGKILL')
  const listening = () => registry.output.split('a worker listens').length
  await expect.poll(listening, { timeout: 20_000 }).toBe(output.split('a worker listens').length + 1)
}

test('SIGHUP takes no half of a file either', async () => {
  registry = await Rewritten.start(1)
  const { path, text, pid } = registry
  const file = await open(path, 'w')
  await file.writeFile(text.slice(0, text.indexOf('  rules:')))
  process.kill(pid, 'SIGHUP')
  await registry.says(refused)
  expect(await registry.statuses()).toEqual(statuses)
  await file.close()
})

test('a folder that is turned to another one, as Kubernetes does it, has its rules taken', async () => {
  registry = await Rewritten.start(1)
  const { path, text, folder } = registry
  const at = (name: string) => join(folder, name)
  for (const [version, who] of Object.entries({ one: 'bob', two: 'alice' })) {
    await mkdir(at(version))
    await writeFile(at(`${version}/config.yml`), text.replace('[bob]', `[${who}]`))
  }
  await symlink('one', at('..data'))
  await symlink('..data/config.yml', at('link'))
  await rename(at('link'), path)
  await symlink('two', at('..data_tmp'))
  await rename(at('..data_tmp'), at('..data'))
  await registry.says(taken)
  expect(await registry.statuses()).toEqual([404, 404, 403, 403, 401])
})

test('rules in a file that a variable names are read again, too', async () => {
  await using folder = await temporaryFolder()
  const rules = join(folder.path, 'rules.yml')
  const rule = (who: string) => `[{repositories: ['**'], who: [${who}], actions: [pull]}]\n`
  await writeFile(rules, rule('alice'))
  process.env.REGISTRY_AUTH_RULES_FILE = rules
  try {
    registry = await Rewritten.start(1)
  } finally {
    delete process.env.REGISTRY_AUTH_RULES_FILE
  }
  expect(await registry.statuses()).toEqual([404, 404, 403, 403, 401])
  await writeFile(rules, rule('bob'))
  await registry.says(taken)
  expect(await registry.statuses()).toEqual([403, 403, 404, 403, 401])
  await writeFile(rules, '')
  await registry.says(refused)
  expect(await registry.statuses()).toEqual([403, 403, 404, 403, 401])
})

test.each([
  [
    'a loop',
    'loop: &a [*a]',
    /^entrepot: \S+: not valid YAML: loop\S* is nested more than 64 deep, or has an alias/,
  ],
  ['a bad merge', 'x: {<<: 5}', /^entrepot: \S+:3:5: not valid YAML: a merge key \(<<\) needs a map/],
  ['a deep list', `x: ${'['.repeat(20_000)}`, /^entrepot: \S+: not valid YAML: /],
])('at the start, and when it is checked, %s is said to be wrong', async (_what, more, said) => {
  await using folder = await temporaryFolder()
  const path = join(folder.path, 'config.yml')
  await writeFile(path, `version: 0.1\nstorage: inmemory\n${more}\n`)
  for (const command of [
    ['config', 'check', path],
    ['serve', path],
  ]) {
    const { code, stdout, stderr } = await runEntrepot(command)
    expect({ code, stdout, stderr }).toEqual({ code: 1, stdout: '', stderr: expect.stringMatching(said) })
    expect(stderr).not.toMatch(/^ +at /m)
  }
})
