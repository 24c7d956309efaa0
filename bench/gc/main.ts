/** `npm run bench -- gc`: a collection of a generated store, on a disk and on an S3 server, with Distribution's on a copy beside it. */
import { type ChildProcess, spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { cp, mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { S3Server } from '../../test/support/s3-server.ts'
import { findTool } from '../../test/support/tools.ts'
import { freePort } from '../free-port.ts'
import { cpuSeconds, peakResidentBytes } from '../processes.ts'
import { pushImages, runClients } from './clients.ts'
import { startCountingProxy } from './requests.ts'
import { writeStore } from './store.ts'
import { BLOBS_PER_IMAGE } from './synthetic-store.ts'

const PARTS = ['s3', 'disk', 'pushes', 'idle', 'keys'] as const
const ROUNDS = 3
const IDLE_ROUNDS = 15
const WARM_UP_ROUNDS = 5
const IMAGES_PER_ROUND = 100
const DROP_CACHES = '/proc/sys/vm/drop_caches'
const SAMPLE_MS = 100
const START_MS = 60_000

const USAGE = `npm run bench -- gc [--images <n>] [--seconds <n>] [--keys <n>] [--only <part>,...] [--warm]

  --images <n>   in the generated store, with about ten times as many blobs (20000)
  --seconds <n>  pushes are measured so long without a collection (10)
  --keys <n>     blobs of a store that exists in name only, for the memory (10000000)
  --only         some of: ${PARTS.join(', ')} (all)
  --warm         leave the disk's caches as they are. Otherwise, run by root, they are dropped before each collection of a folder
`
const built = new URL('../../dist/main.js', import.meta.url).pathname
const main = existsSync(built) ? built : new URL('../../src/main.ts', import.meta.url).pathname

export async function benchCollection(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      ...{ images: { type: 'string' }, seconds: { type: 'string' }, keys: { type: 'string' } },
      ...{ only: { type: 'string' }, warm: { type: 'boolean' }, help: { type: 'boolean' } },
    },
  })
  if (values.help) return console.log(USAGE)
  const parts: readonly string[] = values.only?.split(',') ?? PARTS
  const seconds = Number(values.seconds ?? 10)
  const folder = await mkdtemp(`${tmpdir()}/bench-gc-`)
  try {
    if (parts.some((part) => ['s3', 'disk', 'pushes'].includes(part)))
      await onStore(folder, {
        ...{ images: Number(values.images ?? 20_000), seconds, parts },
        isWarm: values.warm ?? false,
      })
    if (parts.includes('idle')) await idlePushes(folder, IMAGES_PER_ROUND)
    if (parts.includes('keys')) await inNameOnly(folder, Number(values.keys ?? 10_000_000))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

interface StoreOptions {
  readonly images: number
  readonly seconds: number
  readonly parts: readonly string[]
  /** False if a collection of a folder begins with cold caches. */
  readonly isWarm: boolean
}

async function onStore(folder: string, { images, seconds, parts, isWarm }: StoreOptions): Promise<void> {
  const size = writeStore(`${folder}/data`, images)
  console.log(`${size.images} images, ${size.blobs} blobs, of which ${size.garbage} are garbage`)
  const filesystem = { rootdirectory: `${folder}/data` }
  if (parts.includes('disk')) await linkTree(`${folder}/data`, `${folder}/distribution`)
  if (parts.includes('pushes')) await besidePushes(folder, seconds)
  if (parts.includes('s3') && findTool('versitygw') !== undefined) await onS3(folder)
  if (parts.includes('disk')) {
    if (!isWarm) await dropCaches()
    await measure('disk', () => collect(folder, { filesystem }))
    await measure('disk, again', () => collect(folder, { filesystem }))
    if (!isWarm) await dropCaches()
    await distribution(folder)
  }
}

/** A store is not in memory when it is collected at night. */
async function dropCaches(): Promise<void> {
  await once(spawn('sync'), 'close')
  await writeFile(DROP_CACHES, '3').catch(() => console.log('the caches of the disk are warm'))
}

/** Hard links: a file that is deleted in one stays in the other. */
async function linkTree(from: string, to: string): Promise<void> {
  const [code] = await once(spawn('cp', ['-al', from, to]), 'close')
  if (code !== 0) await cp(from, to, { recursive: true })
}

async function measure(name: string, start: () => Promise<ChildProcess>): Promise<void> {
  const startedAt = performance.now()
  const { stdout, peakBytes, cpu, code } = await finish(await start())
  const seconds = (performance.now() - startedAt) / 1000
  const peak = `${cpu.toFixed(1)} CPU s, ${(peakBytes / 1e6).toFixed(0)} MB at most`
  console.log(`${name}: ${seconds.toFixed(1)} s, ${peak}, exit ${code}; ${stdout.trim().split('\n').at(-1)}`)
}

async function finish(child: ChildProcess) {
  let stdout = ''
  child.stdout?.on('data', (chunk) => {
    stdout = (stdout + chunk).slice(-10_000)
  })
  let peakBytes = 0
  let cpu = 0
  const closed = once(child, 'close')
  while (child.exitCode === null && child.signalCode === null) {
    const bytes = await peakResidentBytes(child.pid as number)
    if (bytes > peakBytes) peakBytes = bytes
    const used = await cpuSeconds(child.pid as number)
    if (used > cpu) cpu = used
    await Promise.race([closed, sleep(SAMPLE_MS)])
  }
  const [code] = await closed
  return { stdout, peakBytes, cpu, code: code as number }
}

async function configOf(
  folder: string,
  storage: object,
  { isEnabled = true } = {},
): Promise<{ file: string; url: string }> {
  const file = `${folder}/config-${randomUUID()}.json`
  const maintenance = { gc: { enabled: isEnabled, schedule: 'never' } }
  const http = { addr: `127.0.0.1:${await freePort()}` }
  await writeFile(file, JSON.stringify({ version: 0.1, storage: { ...storage, maintenance }, http }))
  return { file, url: `http://${http.addr}` }
}

async function collect(folder: string, storage: object): Promise<ChildProcess> {
  const { file } = await configOf(folder, storage)
  return spawn(process.execPath, [main, 'gc', file, '--grace', '0s', '--quiet'], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
}

async function distribution(folder: string): Promise<void> {
  const program = findTool('docker-registry')
  if (program === undefined) return console.log('docker-registry is not on this machine: left out')
  const file = `${folder}/distribution.yml`
  const storage = { filesystem: { rootdirectory: `${folder}/distribution` } }
  await writeFile(file, JSON.stringify({ version: 0.1, storage, log: { level: 'error' } }))
  await measure('Distribution on a copy', async () =>
    spawn(program, ['garbage-collect', file], { stdio: ['ignore', 'pipe', 'ignore'] }),
  )
}

/** The files of a bucket of versitygw are those of a folder. */
async function onS3(folder: string): Promise<void> {
  await using server = await S3Server.start('versitygw')
  const bucket = `${server.folder}/${server.bucket}`
  await mkdir(bucket, { recursive: true })
  await cp(`${folder}/data/docker`, `${bucket}/docker`, { recursive: true })
  await using proxy = await startCountingProxy(new URL(server.endpoint))
  const s3 = { ...server.settings, regionendpoint: proxy.url }
  for (const name of ['S3', 'S3, again']) {
    const before = new Map(proxy.counts)
    await measure(name, () => collect(folder, { s3 }))
    const counts = [...proxy.counts].map(([method, count]) => [method, count - (before.get(method) ?? 0)])
    console.log(`${name}: requests ${counts.map(([method, count]) => `${method} ${count}`).join(', ')}`)
  }
}

/** In turn: pushes alone, and beside a collection. Each round has a copy of the store. */
async function besidePushes(folder: string, seconds: number): Promise<void> {
  const rounds: Rounds = { alone: [], beside: [] }
  for (let round = 0; round < ROUNDS; round++) {
    const filesystem = { rootdirectory: `${folder}/served-${round}` }
    await linkTree(`${folder}/data`, filesystem.rootdirectory)
    await using server = await serve(await configOf(folder, { filesystem }))
    rounds.alone.push(await measureClients(server, sleep(seconds * 1000)))
    const collecting = collect(folder, { filesystem }).then((collection) => finish(collection))
    rounds.beside.push(await measureClients(server, collecting))
  }
  showRounds(rounds)
}

/** Pushes to a server that takes part in collections, and to one that does not, in turn, once both are warm. */
async function idlePushes(folder: string, images: number): Promise<void> {
  await using stack = new AsyncDisposableStack()
  const open = async (name: string, isEnabled: boolean) => {
    const filesystem = { rootdirectory: `${folder}/${name}` }
    const server = await serve(await configOf(folder, { filesystem }, { isEnabled }))
    return { name, server: stack.use(server), cpuMs: [] as number[], seconds: [] as number[] }
  }
  const both = [await open('without', false), await open('idle', true)]
  for (const { server } of both) await pushImages(server.url, WARM_UP_ROUNDS * images)
  for (let round = 0; round < IDLE_ROUNDS; round++) {
    for (const { server, cpuMs, seconds } of round % 2 === 0 ? both : both.toReversed()) {
      const [cpu, startedAt] = [await cpuSeconds(server.pid), performance.now()]
      await pushImages(server.url, images)
      cpuMs.push((1000 * ((await cpuSeconds(server.pid)) - cpu)) / images)
      seconds.push((performance.now() - startedAt) / 1000)
    }
  }
  for (const { name, cpuMs, seconds } of both) {
    const rate = images / median(seconds)
    console.log(
      `${name}: ${rate.toFixed(1)} pushes a second, ${median(cpuMs).toFixed(2)} ms of the server's processor each`,
    )
  }
}

function median(values: readonly number[]): number {
  return values.toSorted((one, other) => one - other)[values.length >> 1] ?? Number.NaN
}

type Figure = 'pushesPerSecond' | 'headP99' | 'cpuMs'

type Rounds = Record<'alone' | 'beside', Record<Figure, number>[]>

/** With the processor time of the server for each push. */
async function measureClients(
  { url, pid }: { url: string; pid: number },
  during: Promise<unknown>,
): Promise<Record<Figure, number>> {
  const before = await cpuSeconds(pid)
  const figures = await runClients(url, during)
  const { pushesPerSecond, headP99 } = figures
  return { pushesPerSecond, headP99, cpuMs: (1000 * ((await cpuSeconds(pid)) - before)) / figures.pushes }
}

function showRounds(rounds: Rounds): void {
  for (const [name, each] of Object.entries(rounds)) {
    const of = (figure: Figure) => each.map((one) => one[figure].toFixed(1)).join(', ')
    const cpu = `${of('cpuMs')} ms of the server's processor each`
    console.log(`${name}: ${of('pushesPerSecond')} pushes a second, ${cpu}, HEAD p99 ${of('headP99')} ms`)
  }
  const ratio = (figure: Figure) => {
    const [alone, beside] = [rounds.alone, rounds.beside].map((each) =>
      median(each.map((one) => one[figure])),
    )
    return ((beside as number) / (alone as number)).toFixed(2)
  }
  console.log(
    `beside a collection, medians: ${ratio('pushesPerSecond')} of the rate of pushes (aim: 0.8 at least), ` +
      `${ratio('headP99')} of HEAD p99 (aim: 1.5 at most), ${ratio('cpuMs')} of the processor`,
  )
}

async function inNameOnly(folder: string, keys: number): Promise<void> {
  const program = new URL('./synthetic.program.ts', import.meta.url).pathname
  const args = [program, `${folder}/synthetic`, String(keys / BLOBS_PER_IMAGE)]
  for (const name of ['in name only', 'in name only, again'])
    await measure(`${keys} blobs ${name}`, async () =>
      spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'inherit'] }),
    )
}

async function serve({ file, url }: { file: string; url: string }) {
  const server = spawn(process.execPath, [main, 'serve', file], { stdio: ['ignore', 'ignore', 'inherit'] })
  await untilServing(url)
  return {
    url,
    pid: server.pid as number,
    async [Symbol.asyncDispose]() {
      server.kill()
      await once(server, 'close')
    },
  }
}

async function untilServing(url: string): Promise<void> {
  const isServing = () =>
    fetch(`${url}/v2/`).then(
      ({ ok }) => ok,
      () => false,
    )
  for (const end = performance.now() + START_MS; !(await isServing()); await sleep(SAMPLE_MS))
    if (performance.now() > end) throw new Error(`the registry does not answer at ${url}`)
}
