/** Starts and ends servers: each alone, on a fresh folder and a free port of 127.0.0.1. */
import { type ChildProcess, spawn } from 'node:child_process'
import { closeSync, existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { S3Server } from '../test/support/s3-server.ts'
import { BenchReceiver } from './event-receiver.ts'
import { freePort } from './free-port.ts'
import { emptyLargeFiles } from './large-files.ts'
import { MirrorUpstream } from './mirror/process.ts'
import { startRedis } from './redis.ts'
import type { Registry, Variant } from './registries.ts'

export interface Server {
  readonly registry: Registry
  readonly port: number
  readonly pid: number
  /** Milliseconds from the start of its process to its first `200` on `/v2/`. */
  readonly startUpMs: number
  /** Rejects with the reason when the server ends by itself. */
  readonly ended: Promise<never>
  /** Who is told of events, in the rows where somebody is. */
  readonly receiver: BenchReceiver | undefined
  /** What it mirrors, where its row wants that. */
  readonly upstream: MirrorUpstream | undefined
  /** Ends the server. What it stored is removed when the bench ends, only the bytes of large files now. */
  stop(): Promise<void>
}

let workFolder: string | undefined
const running = new Set<ChildProcess>()
let started = 0

/** However the bench ends, nothing stays behind. */
process.on('exit', () => {
  for (const child of running) child.kill('SIGKILL')
  if (workFolder) rmSync(workFolder, { recursive: true, force: true, maxRetries: 3 })
})

const startTimeoutMs = 30_000
const pollMs = 2
/** Distribution's S3 driver refuses to start where it finds this variable of the AWS SDK. */
const ENVIRONMENT = { ...process.env, AWS_CA_BUNDLE: '' }
/** One that asks who one is says so. */
const ANSWERS = [200, 401]

/** Starts a server, with a Redis for its cache and an S3 server for its content where the variant wants them, and waits
 *  until it answers. */
export async function startServer(registry: Registry, variant: Variant = {}): Promise<Server> {
  workFolder ??= mkdtempSync(join(tmpdir(), 'entrepot-bench-'))
  const folder = join(workFolder, `${++started}`)
  mkdirSync(folder)
  const port = await freePort()
  const redis = variant.cache === 'redis' ? await startRedis(folder) : undefined
  const receiver = variant.notifications ? await BenchReceiver.start() : undefined
  const s3 = variant.storage === 's3' ? await S3Server.start('versitygw') : undefined
  const upstream = variant.mirror ? await MirrorUpstream.start(variant.mirror) : undefined
  const [program, ...args] = registry.command(folder, port, {
    ...{ ...variant, redisAddress: redis?.address, receiverUrl: receiver?.url, s3 },
    ...(upstream && { upstreamUrl: upstream.url }),
  })
  const startedAt = performance.now()
  const log = join(folder, 'log')
  const output = openSync(log, 'a')
  const child = spawn(program!, args, { stdio: ['ignore', output, output], env: ENVIRONMENT })
  closeSync(output)
  const ended = failOnExit(child, { registry, log })
  const stop = async (): Promise<void> => {
    await end(child)
    await redis?.stop()
    await receiver?.stop()
    await s3?.[Symbol.asyncDispose]()
    await upstream?.stop()
    emptyLargeFiles(folder)
  }
  try {
    await Promise.race([firstAnswer(port, child), ended])
  } catch (failure) {
    await stop()
    throw failure
  }
  const startUpMs = performance.now() - startedAt
  return { registry, port, pid: child.pid!, startUpMs, ended, receiver, stop, upstream }
}

function failOnExit(
  child: ChildProcess,
  { registry, log }: { registry: Registry; log: string },
): Promise<never> {
  const { promise, reject } = Promise.withResolvers<never>()
  promise.catch(() => {})
  running.add(child)
  child.on('error', reject)
  child.on('close', (code, signal) => {
    running.delete(child)
    reject(new Error(`${registry.title} ended (${signal ?? code}): ${lastOf(log)}`))
  })
  return promise
}

/** The last lines of a log, to which both outputs go: each registry writes to another one. */
function lastOf(log: string): string {
  return existsSync(log) ? readFileSync(log, 'utf8').slice(-1000).trim() : ''
}

async function end(child: ChildProcess): Promise<void> {
  if (!running.has(child)) return
  const closed = new Promise((resolve) => child.once('close', resolve))
  child.kill('SIGKILL')
  await closed
}

async function firstAnswer(port: number, child: ChildProcess): Promise<void> {
  const deadline = performance.now() + startTimeoutMs
  while (running.has(child) && performance.now() < deadline) {
    if (ANSWERS.includes((await statusOf(port)) ?? 0)) return
    await sleep(pollMs)
  }
  throw new Error(`no answer on /v2/ within ${startTimeoutMs} ms`)
}

/** The status of `/v2/`, or nothing while nobody listens. */
function statusOf(port: number): Promise<number | undefined> {
  return new Promise((resolve) => {
    const call = request({ host: '127.0.0.1', port, path: '/v2/', agent: false }, (response) => {
      response.resume()
      resolve(response.statusCode)
    })
    call.on('error', () => resolve(undefined)).end()
  })
}
