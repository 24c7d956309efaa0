/** Logs that cannot be written: pulls and pushes go on, lines are dropped and counted, and the process ends when it is told to. */
import { execFileSync, spawnSync } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { chmod, mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { basic, htpasswdOf } from '../support/access.ts'
import { entrepotMain } from '../support/command.ts'
import { LoggingRegistry, NamedPipe } from '../support/log-destinations.ts'
import { type TemporaryFolder, temporaryFolder } from '../support/temporary-folder.ts'

let folder: TemporaryFolder
beforeEach(async () => {
  folder = await temporaryFolder()
})
afterEach(() => folder.remove())

/** The number that Linux gives to nobody in particular. */
const NOBODY = 65534

interface Destination extends Disposable {
  readonly stdout: number | 'pipe'
  /** Called when the registry serves. */
  spoil?(registry: LoggingRegistry): void
}

const destinations = {
  'a device that is full'() {
    const stdout = openSync('/dev/full', 'w')
    return { stdout, [Symbol.dispose]: () => closeSync(stdout) }
  },
  'a pipe that nobody reads'() {
    const pipe = new NamedPipe(folder.path)
    return { stdout: pipe.writer, [Symbol.dispose]: () => pipe[Symbol.dispose]() }
  },
  'a pipe whose reader is gone'() {
    const pipe = new NamedPipe(folder.path)
    return {
      stdout: pipe.writer,
      spoil: () => pipe.closeReader(),
      [Symbol.dispose]: () => pipe[Symbol.dispose](),
    }
  },
  // What Node makes for the output of a process.
  'a socket that nobody reads': () => ({ stdout: 'pipe', [Symbol.dispose]() {} }),
  'a socket whose other end is gone': () => ({
    stdout: 'pipe',
    spoil: ({ child }) => child.stdout?.destroy(),
    [Symbol.dispose]() {},
  }),
} satisfies Record<string, () => Destination>

test.each([
  ['a device that is full', 'text', 1],
  ['a device that is full', 'json', 1],
  ['a device that is full', 'logstash', 2],
  ['a pipe that nobody reads', 'text', 1],
  ['a pipe that nobody reads', 'json', 2],
  ['a pipe whose reader is gone', 'text', 1],
  ['a pipe whose reader is gone', 'json', 2],
  ['a socket that nobody reads', 'json', 1],
  ['a socket that nobody reads', 'text', 2],
  ['a socket whose other end is gone', 'json', 1],
  ['a socket whose other end is gone', 'text', 2],
] as const)('standard output is %s: log.formatter %s, %i workers', async (name, formatter, workers) => {
  using destination: Destination = destinations[name]()
  await using registry = await LoggingRegistry.start({
    ...{ folder: folder.path, formatter, workers, stdout: destination.stdout },
  })
  destination.spoil?.(registry)
  await registry.askUntilDropped(50)
  expect(await registry.ask()).toBe(400)
  expect(await registry.stop()).toBe(0)
})

test.skipIf(!mayBeNobody())('a pipe of another user, which cannot be opened anew (needs root)', async () => {
  await chmod(folder.path, 0o755)
  using pipe = new NamedPipe(folder.path)
  await using registry = await LoggingRegistry.start({
    ...{ folder: folder.path, formatter: 'json', stdout: pipe.writer, uid: NOBODY },
    config: { storage: { inmemory: {} } },
  })
  await registry.askUntilDropped(50)
  const dropped = await registry.dropped()
  await pipe.readLines((lines) => sum(parse(lines)) === dropped)
  expect(await registry.stop()).toBe(0)
})

/** Whether a process of another user can be started, and read the source. */
function mayBeNobody(): boolean {
  const check = `fs.accessSync(${JSON.stringify(entrepotMain)})`
  return spawnSync(process.execPath, ['-e', check], { uid: NOBODY, stdio: 'ignore' }).status === 0
}

type Line = Record<string, unknown>

const parse = (lines: readonly string[]): Line[] => lines.map((line) => JSON.parse(line))
const sum = (lines: readonly Line[]) =>
  lines.reduce((all, { droppedLines = 0 }) => all + Number(droppedLines), 0)
const notices = (lines: readonly Line[]) => lines.filter(({ droppedLines }) => droppedLines !== undefined)
const requests = (lines: readonly Line[]) => lines.filter(({ msg }) => msg === 'response completed')

test.each([1, 2])(
  'a pipe that is read again: whole lines, and how many are missing; %i workers',
  async (workers) => {
    using pipe = new NamedPipe(folder.path)
    await using registry = await LoggingRegistry.start({
      ...{ folder: folder.path, formatter: 'json', workers, stdout: pipe.writer },
    })
    // What processes write at the same time stays whole up to the 4096 bytes of PIPE_BUF.
    const characters = workers === 1 ? 30_000 : 3_000
    const asked = await registry.askUntilDropped(50, { characters })
    expect(pipe.isWaitedFor).toBe(true)
    const dropped = await registry.dropped()
    await pipe.readLines((lines) => sum(parse(lines)) === dropped)
    await registry.ask({ characters })
    const kept = asked + 1 - dropped
    const lines = parse(await pipe.readLines((lines) => requests(parse(lines)).length === kept))
    expect(notices(lines).length).toBeLessThanOrEqual(workers)
    for (const notice of notices(lines)) {
      expect(notice).toMatchObject({ level: 'warning', msg: expect.stringContaining('were dropped') })
    }
    expect(await registry.dropped()).toBe(dropped)
    expect(await registry.stop()).toBe(0)
    const rest = parse(await pipe.readLines((lines) => lines.at(-1)?.includes('"stopped"') === true))
    expect(requests(rest)).toHaveLength(kept)
  },
)

/** Whether this system lets us mount a file system of our own. */
function mayMount(): boolean {
  try {
    execFileSync('unshare', ['-rm', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt'], { stdio: 'ignore' })
    return true
  } catch {
    return false
  }
}

test.skipIf(!mayMount())('a disk that is full, and then is not (needs user namespaces)', async () => {
  const disk = join(folder.path, 'disk')
  await mkdir(disk)
  const script =
    'mount -t tmpfs -o size=16m tmpfs "$0" && head -c 16000000 /dev/zero > "$0/filler" && exec "$@" > "$0/log"'
  await using registry = await LoggingRegistry.start({
    ...{ folder: folder.path, formatter: 'json', stdout: 'pipe' },
    wrap: (command) => ['unshare', '-rm', 'sh', '-c', script, disk, ...command],
  })
  const asked = await registry.askUntilDropped(50)
  const dropped = await registry.dropped()
  const inside = `/proc/${registry.child.pid}/root${disk}`
  await rm(join(inside, 'filler'))
  const lines = async () => parse((await readFile(join(inside, 'log'), 'utf8')).split('\n').slice(0, -1))
  await expect.poll(async () => sum(await lines()), { timeout: 20_000 }).toBe(dropped)
  expect(notices(await lines())).toHaveLength(1)
  expect(requests(await lines())).toHaveLength(asked - dropped)
  expect(await registry.stop()).toBe(0)
})

/** `auth` of a registry whose only user is alice. */
async function auth(auditPath: string) {
  const users = join(folder.path, 'users')
  await writeFile(users, htpasswdOf(['alice']))
  return { htpasswd: { realm: 'here', path: users }, audit: { path: auditPath } }
}

test('an audit log on a device that is full, and then in a file', async () => {
  const path = join(folder.path, 'audit.log')
  await symlink('/dev/full', path)
  using pipe = new NamedPipe(folder.path)
  await using registry = await LoggingRegistry.start({
    ...{ folder: folder.path, formatter: 'json', stdout: pipe.writer },
    config: { auth: await auth(path), log: { formatter: 'json', accesslog: { disabled: true } } },
  })
  const asking = { headers: basic('alice'), log: 'audit' } as const
  const asked = await registry.askUntilDropped(50, asking)
  await pipe.readLines((lines) => lines.some((line) => line.includes('the audit log cannot be written')))
  const dropped = await registry.dropped('audit')
  await rm(path)
  registry.child.kill('SIGHUP')
  const lines = async () => parse((await readFile(path, 'utf8').catch(() => '')).split('\n').slice(0, -1))
  await expect.poll(async () => sum(await lines()), { timeout: 20_000 }).toBe(dropped)
  expect(notices(await lines())).toMatchObject([
    { audit: true, time: expect.any(String), droppedLines: dropped },
  ])
  await registry.ask(asking)
  await expect.poll(async () => (await lines()).length).toBe(asked + 1 - dropped + 1)
  expect((await lines()).at(-1)).toMatchObject({ user: 'alice', status: 400 })
  const told = await pipe.readLines((lines) => sum(parse(lines)) === dropped)
  expect(parse(told).filter(({ level }) => level === 'error')).toHaveLength(1)
  expect([await registry.dropped('audit'), await registry.dropped('main')]).toEqual([dropped, 0])
  expect(await registry.stop()).toBe(0)
})

test.each(['stdout', 'pipe'])('an audit log that nobody reads: %s', async (kind) => {
  using pipe = new NamedPipe(folder.path)
  using other = new NamedPipe(folder.path, 'other')
  const path = kind === 'stdout' ? 'stdout' : pipe.path
  await using registry = await LoggingRegistry.start({
    ...{ folder: folder.path, formatter: 'json', stdout: kind === 'stdout' ? pipe.writer : other.writer },
    config: { auth: await auth(path), log: { formatter: 'json', accesslog: { disabled: true } } },
  })
  const asking = { headers: basic('alice'), log: 'audit' } as const
  const asked = await registry.askUntilDropped(50, asking)
  const dropped = await registry.dropped('audit')
  const isAudit = ({ audit }: Line) => audit === true
  const lines = parse(await pipe.readLines((lines) => sum(parse(lines).filter(isAudit)) === dropped))
  expect(lines.filter(isAudit)).toHaveLength(asked - dropped + 1)
  expect(await registry.stop()).toBe(0)
})

test('an audit log that nobody reads, and nobody ever will', async () => {
  using pipe = new NamedPipe(folder.path)
  using other = new NamedPipe(folder.path, 'other')
  await using registry = await LoggingRegistry.start({
    ...{ folder: folder.path, formatter: 'json', stdout: other.writer },
    config: { auth: await auth(pipe.path), log: { formatter: 'json', accesslog: { disabled: true } } },
  })
  await registry.askUntilDropped(1, { headers: basic('alice'), log: 'audit' })
  expect(await registry.stop()).toBe(0)
})
