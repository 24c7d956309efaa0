/** A disk that answers slowly: whoever waits for it does not keep others waiting. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { describeWith } from '../support/describe-with.ts'
import { startEntrepot } from '../support/entrepot-process.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const DELAY_MS = 20
const REPOSITORIES = 300

describeWith(['strace'], 'while each look at a folder takes 20 ms', () => {
  test('the catalog is listed, and other requests do not wait for it', async () => {
    await using folder = await temporaryFolder()
    const dataFolder = join(folder.path, 'data')
    for (let index = 0; index < REPOSITORIES; index++)
      await mkdir(join(dataFolder, `docker/registry/v2/repositories/r${index}/_layers`), { recursive: true })
    await using server = await startEntrepot({ dataFolder, configFolder: folder.path })
    const calls = 'stat,statx,newfstatat,getdents64'
    const inject = ['-e', `trace=${calls}`, '-e', `inject=${calls}:delay_enter=${DELAY_MS * 1000}`]
    const strace = spawn('strace', ['-f', '-qq', '-o', '/dev/null', ...inject, '-p', `${server.pid}`])
    try {
      await delay(500) // strace does not tell when it has begun
      let isListed = false
      const listing = fetch(`${server.url}/v2/_catalog?n=1000`)
        .then((answer) => answer.json())
        .finally(() => {
          isListed = true
        })
      const waits: number[] = []
      while (!isListed) {
        const startedAt = performance.now()
        expect((await fetch(`${server.url}/v2/`)).status).toBe(200)
        waits.push(performance.now() - startedAt)
        await delay(5)
      }
      expect(((await listing) as { repositories: string[] }).repositories).toHaveLength(REPOSITORIES)
      const sorted = waits.toSorted((one, other) => one - other)
      // All looks at once on the loop would hold it up for many seconds.
      expect(sorted.at(-1)).toBeLessThan((REPOSITORIES * DELAY_MS) / 4)
      expect(sorted[Math.floor(sorted.length / 2)]).toBeLessThan(10 * DELAY_MS)
    } finally {
      const ended = once(strace, 'exit')
      strace.kill('SIGTERM')
      await ended
    }
  })
})
