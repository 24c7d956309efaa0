/** A disk that answers slowly: whoever waits for it does not keep others waiting. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { describeWith } from '../support/describe-with.ts'
import { startEntrepot } from '../support/entrepot-process.ts'
import { RegistryClient } from '../support/registry-client.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const DELAY_MS = 20
const REPOSITORIES = 300
const PUSHES = 64
const PUSHERS = 8
/** The fewest calls of a push that make, rename or remove names. */
const CHANGES_OF_A_PUSH = 6

/** Runs work while each of these system calls of a process takes 20 ms.
 *  @param calls names, separated by commas */
async function whileSlow(pid: number, calls: string, work: () => Promise<void>): Promise<void> {
  const inject = ['-e', `trace=${calls}`, '-e', `inject=${calls}:delay_enter=${DELAY_MS * 1000}`]
  const strace = spawn('strace', ['-f', '-qq', '-o', '/dev/null', ...inject, '-p', `${pid}`])
  try {
    await delay(500) // strace does not tell when it has begun
    await work()
  } finally {
    const ended = once(strace, 'exit')
    strace.kill('SIGTERM')
    await ended
  }
}

/** The times that requests without need of the disk took until something ended, in ascending order.
 *  @returns milliseconds */
async function waitsUntil(url: string, end: Promise<unknown>): Promise<number[]> {
  let hasEnded = false
  const ended = end.finally(() => {
    hasEnded = true
  })
  const waits: number[] = []
  while (!hasEnded) {
    const startedAt = performance.now()
    expect((await fetch(`${url}/v2/`)).status).toBe(200)
    waits.push(performance.now() - startedAt)
    await delay(5)
  }
  await ended
  return waits.toSorted((one, other) => one - other)
}

describeWith(['strace'], 'while each look at a folder takes 20 ms', () => {
  test('the catalog is listed, and other requests do not wait for it', async () => {
    await using folder = await temporaryFolder()
    const dataFolder = join(folder.path, 'data')
    for (let index = 0; index < REPOSITORIES; index++)
      await mkdir(join(dataFolder, `docker/registry/v2/repositories/r${index}/_layers`), { recursive: true })
    await using server = await startEntrepot({ dataFolder, configFolder: folder.path })
    await whileSlow(server.pid, 'stat,statx,newfstatat,getdents64', async () => {
      const listing = fetch(`${server.url}/v2/_catalog?n=1000`).then((answer) => answer.json())
      const waits = await waitsUntil(server.url, listing)
      expect(((await listing) as { repositories: string[] }).repositories).toHaveLength(REPOSITORIES)
      // All looks at once on the loop would hold it up for many seconds.
      expect(waits.at(-1)).toBeLessThan((REPOSITORIES * DELAY_MS) / 4)
      expect(waits[Math.floor(waits.length / 2)]).toBeLessThan(10 * DELAY_MS)
    })
  })
})

describeWith(['strace'], 'while each change of a name takes 20 ms', () => {
  test('blobs are pushed, and other requests do not wait for them', async () => {
    await using folder = await temporaryFolder()
    const dataFolder = join(folder.path, 'data')
    await using server = await startEntrepot({ dataFolder, configFolder: folder.path })
    const client = new RegistryClient(server.url)
    await client.pushBlob('slow/one', Buffer.from('the first'))
    await whileSlow(server.pid, 'mkdir,rename,unlink,rmdir', async () => {
      const pushers = Array.from({ length: PUSHERS }, async (_, pusher) => {
        for (let index = pusher; index < PUSHES; index += PUSHERS)
          await client.pushBlob('slow/one', Buffer.from(`blob ${index}`))
      })
      const waits = await waitsUntil(server.url, Promise.all(pushers))
      expect(waits.at(-1)).toBeLessThan((PUSHES * CHANGES_OF_A_PUSH * DELAY_MS) / 4)
      expect(waits[Math.floor(waits.length / 2)]).toBeLessThan(10 * DELAY_MS)
    })
  })
})
