/** What a collector removes leaves the caches of all registries over its storage, though none of them removes it. */
import { mkdir } from 'node:fs/promises'
import { Agent, request } from 'node:http'
import { expect, test, vi } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { runEntrepot } from '../support/command.ts'
import { describeWith } from '../support/describe-with.ts'
import { startEntrepot } from '../support/entrepot-process.ts'
import { RedisProcess } from '../support/redis-process.ts'
import { RegistryClient } from '../support/registry-client.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const MINUTES_3 = 180_000
/** As many connections as meet each of three workers. */
const CONNECTIONS = 12

const garbage = Buffer.from('of no manifest')

/** The status of a HEAD on a connection of its own. */
function statusOf(url: string): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>()
  const agent = new Agent({ keepAlive: false })
  request(url, { method: 'HEAD', agent }, (answer) => resolve(answer.resume().statusCode!))
    .on('error', reject)
    .end()
  return promise
}

describeWith(['redis-server'], 'caches beside a collector', () => {
  test('in memory, of three workers, in Redis and before it', { timeout: MINUTES_3 }, async () => {
    await using stack = new AsyncDisposableStack()
    const folder = stack.use(await temporaryFolder())
    const redis = stack.use(await RedisProcess.start())
    const dataFolder = `${folder.path}/data`
    const storage = {
      filesystem: { rootdirectory: dataFolder },
      maintenance: { gc: { enabled: true, schedule: 'never', grace: '0s' } },
    }
    const start = async (
      name: string,
      blobdescriptor: string,
      sections: { http?: object; redis?: object },
    ) => {
      const configFolder = `${folder.path}/${name}`
      await mkdir(configFolder)
      const http = { addr: '127.0.0.1:0', secret: 'the same in every process', ...sections.http }
      const config = { ...sections, storage: { ...storage, cache: { blobdescriptor } }, http }
      return stack.use(await startEntrepot({ dataFolder, configFolder, config })).url
    }
    const inRedis = { redis: { addr: redis.address } }
    const urls = [
      await start('memory', 'inmemory', {}),
      await start('workers', 'inmemory', { http: { workers: 3 } }),
      await start('redis', 'redis', inRedis),
      await start('near', 'redis', inRedis),
    ]
    await new RegistryClient(urls[0]!).pushBlob('a', garbage)
    const statuses = async () => {
      const asked = urls.map((url) => {
        const blob = `${url}/v2/a/blobs/${digestOf(garbage)}`
        return Promise.all(Array.from({ length: CONNECTIONS }, () => statusOf(blob)))
      })
      return (await Promise.all(asked)).map((found) => [...new Set(found)])
    }
    expect(await statuses()).toEqual(urls.map(() => [200]))

    const file = `${folder.path}/near/entrepot.yml`
    const collected = await runEntrepot(['gc', file], { timeoutMs: MINUTES_3 })
    expect(collected).toMatchObject({ code: 0, stderr: '' })
    expect(collected.stdout).toContain('1 of 1 blobs deleted')
    await vi.waitFor(async () => expect(await statuses()).toEqual(urls.map(() => [404])), {
      timeout: 30_000,
      interval: 100,
    })
  })
})
