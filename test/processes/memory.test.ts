/** However many clients stall or push at once, the memory of the process stays within a budget. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { type IncomingMessage, request } from 'node:http'
import { connect } from 'node:http2'
import { expect, test } from 'vitest'
import { describeWith } from '../support/describe-with.ts'
import { startEntrepot } from '../support/entrepot-process.ts'
import { RegistryClient } from '../support/registry-client.ts'
import { S3Server, s3Tools } from '../support/s3-server.ts'
import type { ServerProcess } from '../support/server-process.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const MB = 1e6
/** Beside what the process holds at rest. */
const MAX_BYTES = 300 * MB

async function start(folder: string, { http = {}, ...options }: StartOptions = {}): Promise<ServerProcess> {
  const config = { http: { addr: '127.0.0.1:0', ...http } }
  return startEntrepot({ dataFolder: `${folder}/data`, configFolder: folder, config, ...options })
}

interface StartOptions {
  readonly http?: object
  readonly storage?: Readonly<Record<string, unknown>>
}

/** What the process holds, or has held at most (`VmHWM`). */
async function bytesOf({ pid }: ServerProcess, what: 'VmRSS' | 'VmHWM'): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(new RegExp(`^${what}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) * 1024
}

test('3,000 downloads that stall', async () => {
  await using folder = await temporaryFolder()
  await using registry = await start(folder.path, { http: { h2c: { enabled: true } } })
  const digest = await new RegistryClient(registry.url).pushBlob('a', Buffer.alloc(20 * MB))
  const atRest = await bytesOf(registry, 'VmRSS')
  const sessions = Array.from({ length: 12 }, () =>
    connect(registry.url, { settings: { initialWindowSize: 0 } }),
  )
  try {
    const begun = sessions.flatMap((session) =>
      Array.from({ length: 250 }, async () => {
        const stream = session.request({ ':path': `/v2/a/blobs/${digest}` })
        stream.on('error', () => undefined)
        await once(stream, 'response')
      }),
    )
    await Promise.all(begun)
    expect((await bytesOf(registry, 'VmHWM')) - atRest).toBeLessThan(MAX_BYTES)
  } finally {
    for (const session of sessions) session.destroy()
  }
})

/** What was sent to the server and still lies in the buffers of the system: proc(5). */
async function unreadBytes({ address }: ServerProcess): Promise<number> {
  const port = Number(address.split(':')[1]).toString(16).toUpperCase().padStart(4, '0')
  let bytes = 0
  for (const line of (await readFile('/proc/net/tcp', 'utf8')).split('\n')) {
    const [, local = '', remote = '', , queues = ''] = line.trim().split(/\s+/)
    const [sending, received] = queues.split(':').map((size) => Number.parseInt(size, 16))
    if (local.endsWith(`:${port}`) && line.includes(' 01 ')) bytes += received ?? 0
    if (remote.endsWith(`:${port}`)) bytes += sending ?? 0
  }
  return bytes
}

describeWith([s3Tools.versitygw], 'a bucket', () => {
  test('200 uploads by clients that are slow', async () => {
    await using folder = await temporaryFolder()
    await using store = await S3Server.start('versitygw')
    await using registry = await start(folder.path, { storage: { s3: store.settings } })
    const atRest = await bytesOf(registry, 'VmRSS')
    const wrong = `sha256:${'0'.repeat(64)}`
    const body = Buffer.alloc(2.5 * MB)
    const path = `/v2/a/blobs/uploads/?digest=${wrong}`
    const headers = { 'content-length': body.length + 1 }
    const uploads = Array.from({ length: 200 }, () =>
      request(`${registry.url}${path}`, { method: 'POST', agent: false, headers }),
    )
    const answers = uploads.map(async (upload) => {
      const [answer] = (await once(upload, 'response')) as [IncomingMessage]
      answer.resume()
      return answer.statusCode
    })
    // None ends before all have sent nearly all.
    await Promise.all(uploads.map((upload) => new Promise<void>((sent) => upload.write(body, () => sent()))))
    await expect.poll(() => unreadBytes(registry), { timeout: 120_000 }).toBe(0)
    for (const upload of uploads) upload.end('.')
    expect(new Set(await Promise.all(answers))).toEqual(new Set([400]))
    expect((await bytesOf(registry, 'VmHWM')) - atRest).toBeLessThan(MAX_BYTES)
  })
})

describeWith(['strace'], 'a slow disk', () => {
  test('200 uploads at once', async () => {
    await using folder = await temporaryFolder()
    await using registry = await start(folder.path)
    const atRest = await bytesOf(registry, 'VmRSS')
    const delayed = 'pwritev,pwrite64,pwritev2'
    const slowDown = ['-f', '-p', `${registry.pid}`, '-o', '/dev/null', '-e', `trace=${delayed}`]
    const strace = spawn('strace', [...slowDown, '-e', `inject=${delayed}:delay_enter=10000`])
    try {
      await once(strace.stderr, 'data') // it is attached
      const wrong = `sha256:${'0'.repeat(64)}`
      const body = Buffer.alloc(3 * MB)
      const answers = await Promise.all(
        Array.from({ length: 200 }, () =>
          fetch(`${registry.url}/v2/a/blobs/uploads/?digest=${wrong}`, { method: 'POST', body }),
        ),
      )
      expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([400]))
      expect((await bytesOf(registry, 'VmHWM')) - atRest).toBeLessThan(MAX_BYTES)
    } finally {
      strace.kill()
      await once(strace, 'exit')
    }
  })
})
