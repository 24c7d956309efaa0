/** A power cut keeps of the outbox what was synced. What was acknowledged is told all the same. */
import { readdir, rm, truncate } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { describeWith } from '../../support/describe-with.ts'
import { startEntrepot } from '../../support/entrepot-process.ts'
import { EventReceiver } from '../../support/event-receiver.ts'
import { RegistryClient } from '../../support/registry-client.ts'
import { readSystemCalls, straceArguments, TRACED_ENVIRONMENT } from '../../support/system-calls.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

const PUSHERS = 4
const ACKNOWLEDGED = 40
const JOURNALS = 'docker/registry/v2/notifications/journal'

describeWith(['strace'], 'after a power cut', () => {
  test('what was acknowledged is told', async () => {
    await using folder = await temporaryFolder()
    await using receiver = await EventReceiver.start()
    let isUp = false
    receiver.answer = (_, response) => response.writeHead(isUp ? 200 : 503).end()
    const options = {
      dataFolder: join(folder.path, 'data'),
      configFolder: folder.path,
      environment: TRACED_ENVIRONMENT,
      config: { notifications: { endpoints: [{ name: 'all', url: receiver.url, backoff: '50ms' }] } },
    }
    const trace = join(folder.path, 'trace')
    const server = await startEntrepot(options, { under: ['strace', ...straceArguments(trace)] })
    const acknowledged: string[] = []
    const client = new RegistryClient(server.url)
    const pushing = Array.from({ length: PUSHERS }, async (_, pusher) => {
      for (let count = 0; ; count++)
        acknowledged.push(await client.pushBlob(`cut/${pusher}`, Buffer.from(`${pusher} ${count}`)))
    })
    await expect.poll(() => acknowledged.length, { timeout: 60_000 }).toBeGreaterThan(ACKNOWLEDGED)
    const killed = server.kill()
    const before = [...acknowledged]
    await Promise.all([killed, Promise.allSettled(pushing)])
    const lost = await cutJournals(join(options.dataFolder, JOURNALS), trace)
    process.stdout.write(`${before.length} acknowledged, ${lost} bytes of journals lost\n`)

    isUp = true
    await using again = await startEntrepot(options)
    const told = () =>
      new Set(receiver.events.filter(({ action }) => action === 'push').map(({ target }) => target.digest))
    await expect
      .poll(() => before.filter((digest) => !told().has(digest)), { timeout: 60_000, interval: 200 })
      .toEqual([])
    expect(await again.stop()).toBe(0)
  })
})

/** Cuts from each journal what was written after the beginning of its last sync.
 *  @returns how many bytes */
async function cutJournals(journals: string, trace: string): Promise<number> {
  const calls = await readSystemCalls(trace)
  let lost = 0
  for (const journal of await readdir(journals)) {
    for (const name of await readdir(join(journals, journal))) {
      const path = join(journals, journal, name)
      const ofFile = calls.filter(({ paths, result }) => paths[0] === path && result >= 0)
      const synced = ofFile.findLast((call) => call.name === 'fdatasync')
      const isNamed = calls.some((call) => call.name === 'fsync' && call.paths[0] === join(journals, journal))
      const writes = ofFile.filter((call) => /write/.test(call.name))
      const sizeOf = (some: typeof writes) => some.reduce((sum, { result }) => sum + result, 0)
      const kept = synced === undefined ? [] : writes.filter(({ endedAt }) => endedAt < synced.begunAt)
      lost += sizeOf(writes) - sizeOf(kept)
      if (kept.length === 0 || !isNamed) await rm(path)
      else await truncate(path, sizeOf(kept))
    }
  }
  return lost
}
