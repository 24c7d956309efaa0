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
import { peakResidentBytes } from '../processes.ts'
import { runClients } from './clients.ts'
import { startCountingProxy } from './requests.ts'
import { writeStore } from './store.ts'

const USAGE = `npm run bench -- gc [--images <n>] [--seconds <n>]

  --images <n>   in the generated store, with about ten times as many blobs (20000)
  --seconds <n>  pushes are measured so long without a collection (10)
`
const SAMPLE_MS = 100
const START_MS = 60_000
const built = new URL('../../dist/main.js', import.meta.url).pathname
const main = existsSync(built) ? built : new URL('../../src/main.ts', import.meta.url).pathname

export async function benchCollection(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: { images: { type: 'string' }, seconds: { type: 'string' }, help: { type: 'boolean' } },
  })
  if (values.help) return console.log(USAGE)
  const images = Number(values.images ?? 20_000)
  const folder = await mkdtemp(`${tmpdir()}/bench-gc-`)
  try {
    const size = writeStore(`${folder}/data`, images)
    console.log(`${size.images} images, ${size.blobs} blobs, of which ${size.garbage} are garbage`)
    for (const copy of ['distribution', 'served']) await linkTree(`${folder}/data`, `${folder}/${copy}`)
    const isBucket = findTool('versitygw') !== undefined
    if (isBucket) await onS3(folder)
    const filesystem = { rootdirectory: `${folder}/data` }
    await measure('disk', () => collect(folder, { filesystem }))
    await measure('disk, again', () => collect(folder, { filesystem }))
    await distribution(folder)
    await besidePushes(folder, Number(values.seconds ?? 10))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Hard links: a file that is deleted in one stays in the other. */
async function linkTree(from: string, to: string): Promise<void> {
  const [code] = await once(spawn('cp', ['-al', from, to]), 'close')
  if (code !== 0) await cp(from, to, { recursive: true })
}

async function measure(name: string, start: () => Promise<ChildProcess>): Promise<void> {
  const startedAt = performance.now()
  const { stdout, peakBytes, code } = await finish(await start())
  const seconds = (performance.now() - startedAt) / 1000
  const peak = `${(peakBytes / 1e6).toFixed(0)} MB at most`
  console.log(`${name}: ${seconds.toFixed(1)} s, ${peak}, exit ${code}; ${stdout.trim().split('\n').at(-1)}`)
}

async function finish(child: ChildProcess) {
  let stdout = ''
  child.stdout?.on('data', (chunk) => {
    stdout = (stdout + chunk).slice(-10_000)
  })
  let peakBytes = 0
  const closed = once(child, 'close')
  while (child.exitCode === null && child.signalCode === null) {
    const bytes = await peakResidentBytes(child.pid as number)
    if (bytes > peakBytes) peakBytes = bytes
    await Promise.race([closed, sleep(SAMPLE_MS)])
  }
  const [code] = await closed
  return { stdout, peakBytes, code: code as number }
}

async function configOf(folder: string, storage: object): Promise<{ file: string; url: string }> {
  const file = `${folder}/config-${randomUUID()}.json`
  const maintenance = { gc: { enabled: true, schedule: 'never' } }
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

async function besidePushes(folder: string, seconds: number): Promise<void> {
  const filesystem = { rootdirectory: `${folder}/served` }
  const { file, url } = await configOf(folder, { filesystem })
  const server = spawn(process.execPath, [main, 'serve', file], { stdio: ['ignore', 'ignore', 'inherit'] })
  try {
    await untilServing(url)
    const alone = await runClients(url, sleep(seconds * 1000))
    const beside = await runClients(
      url,
      collect(folder, { filesystem }).then((collection) => finish(collection)),
    )
    for (const [name, { pushesPerSecond, headP99 }] of Object.entries({ alone, beside }))
      console.log(`${name}: ${pushesPerSecond.toFixed(1)} pushes a second, HEAD p99 ${headP99.toFixed(1)} ms`)
  } finally {
    server.kill()
    await once(server, 'close')
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
