/** However many clients stall or push at once, the memory of the process stays within a budget. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFile } from 'node:fs/promises'
import { connect } from 'node:http2'
import { expect, test } from 'vitest'
import { describeWith } from '../support/describe-with.ts'
import { startEntrepot } from '../support/entrepot-process.ts'
import { RegistryClient } from '../support/registry-client.ts'
import type { ServerProcess } from '../support/server-process.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const MB = 1e6
/** Beside what the process holds at rest. */
const MAX_BYTES = 300 * MB

async function start(folder: string, http: object = {}): Promise<ServerProcess> {
  const config = { http: { addr: '127.0.0.1:0', ...http } }
  return startEntrepot({ dataFolder: `${folder}/data`, configFolder: folder, config })
}

/** What the process holds, or has held at most (`VmHWM`). */
async function bytesOf({ pid }: ServerProcess, what: 'VmRSS' | 'VmHWM'): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(new RegExp(`^${what}:\\s+(\\d+) kB$`, 'm').exec(status)?.[1]) * 1024
}

test('3,000 downloads that stall', async () => {
  await using folder = await temporaryFolder()
  await using registry = await start(folder.path, { h2c: { enabled: true } })
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
