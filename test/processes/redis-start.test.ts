/** What the log says of Redis when the registry starts. */
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { describeWith } from '../support/describe-with.ts'
import { startEntrepot } from '../support/entrepot-process.ts'
import { freePort } from '../support/free-port.ts'
import { RedisProcess } from '../support/redis-process.ts'
import { RegistryClient } from '../support/registry-client.ts'
import type { ServerProcess } from '../support/server-process.ts'
import { type TemporaryFolder, temporaryFolder } from '../support/temporary-folder.ts'

function start(folder: TemporaryFolder, redis: object): Promise<ServerProcess> {
  return startEntrepot({
    dataFolder: join(folder.path, 'data'),
    configFolder: folder.path,
    config: { redis },
  })
}

describeWith(['redis-server'], 'a registry with Redis', () => {
  test('connects within the 10 ms of usual files for Distribution, or less, and says nothing of it', async () => {
    await using folder = await temporaryFolder()
    await using redis = await RedisProcess.start()
    await using server = await start(folder, { addr: redis.address, dialtimeout: '1ms' })
    const client = new RegistryClient(server.url)
    const used = async () => {
      await client.pushBlob('a', Buffer.from('content'))
      return Number(await redis.run('DBSIZE'))
    }
    await expect.poll(used).toBeGreaterThan(2)
    await server.stop()
    // A machine that is slow may say that a command took too long.
    expect(server.output).not.toMatch(/stack|connection timeout/i)
  })
})

test('of a Redis that is not there it says in one line each what follows from it, without a stack', async () => {
  await using folder = await temporaryFolder()
  const port = await freePort()
  await using server = await start(folder, { addr: `localhost:${port}` })
  const consequences = ['storage is asked instead', 'changes are not announced to other replicas']
  for (const consequence of consequences) await expect.poll(() => server.output).toContain(consequence)
  expect((await fetch(`${server.url}/readyz`)).status).toBe(200)
  await server.stop()
  const lines = server.output.split('\n').filter((line) => /"level":"(?:warning|error)"/.test(line))
  expect(lines).toEqual(consequences.map(() => expect.stringMatching(/"reason":"[^"]*ECONNREFUSED/)))
  expect(server.output).not.toContain('stack')
})
