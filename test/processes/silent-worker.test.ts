/** A worker that stands still. */
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startEntrepot } from '../support/entrepot-process.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

test('a worker that stands still is replaced, and who it kept waiting can ask again', async () => {
  await using folder = await temporaryFolder()
  await using server = await startEntrepot({
    dataFolder: join(folder.path, 'data'),
    configFolder: folder.path,
    config: { http: { addr: '127.0.0.1:0', workers: 2 } },
  })
  const pids = () => [...server.output.matchAll(/"workerPid":(\d+)/g)].map(([, pid]) => Number(pid))
  await expect.poll(() => pids().length).toBe(2)
  const [stopped = 0] = pids()
  process.kill(stopped, 'SIGSTOP')
  await expect
    .poll(() => server.output, { timeout: 120_000, interval: 200 })
    .toContain('a worker does not answer and was ended')
  await expect.poll(() => pids().length, { timeout: 60_000 }).toBe(3)
  for (let request = 0; request < 4; request++) {
    const { status } = await fetch(`${server.url}/v2/`, { headers: { connection: 'close' } })
    expect(status).toBe(200)
  }
  expect(await server.stop()).toBe(0)
})
