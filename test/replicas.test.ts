/** Two registries over one folder and one Redis: what one deletes, the other no longer has. */
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { describeWith } from './support/describe-with.ts'
import { startEntrepot } from './support/entrepot-process.ts'
import { gzippedLayer, imageOf } from './support/oci-image.ts'
import { RedisProcess } from './support/redis-process.ts'
import { RegistryClient } from './support/registry-client.ts'
import type { ServerProcess } from './support/server-process.ts'
import { type TemporaryFolder, temporaryFolder } from './support/temporary-folder.ts'

describeWith(['redis-server'], 'two replicas with one Redis', () => {
  let folder: TemporaryFolder
  let redis: RedisProcess
  let servers: ServerProcess[]
  let one: RegistryClient
  let other: RegistryClient
  beforeAll(async () => {
    folder = await temporaryFolder()
    redis = await RedisProcess.start()
    const dataFolder = join(folder.path, 'data')
    const config = { redis: { addr: redis.address } }
    const start = (name: string) =>
      startEntrepot({
        ...{ dataFolder, configFolder: folder.path, config },
        environment: { REGISTRY_INDEX_PATH: join(folder.path, `${name}.sqlite`) },
      })
    servers = [await start('one'), await start('other')]
    ;[one, other] = servers.map(({ url }) => new RegistryClient(url)) as [RegistryClient, RegistryClient]
  })
  afterAll(async () => {
    for (const server of servers) await server.kill()
    await redis[Symbol.asyncDispose]()
    await folder.remove()
  })

  test('a blob that one deletes is gone from the other within 100 ms', async () => {
    const delays: number[] = []
    for (let round = 0; round < 15; round++) {
      const digest = await one.pushBlob('a', Buffer.from(`blob ${round}`))
      for (const replica of [one, other]) expect(await replica.hasBlob('a', digest)).toBe(true)
      await one.deleteBlob('a', digest)
      const deletedAt = performance.now()
      while (await other.hasBlob('a', digest));
      delays.push(performance.now() - deletedAt)
    }
    expect(delays.sort((a, b) => a - b)[7]).toBeLessThan(100)
  })

  test('a manifest that one deletes is gone from the other, by tag and by digest', async () => {
    const image = imageOf([gzippedLayer([{ path: 'file', content: Buffer.from('replicas') }])])
    const { digest } = image.manifest.descriptor
    await one.pushImage('b', { tag: 'v1', image })
    for (const replica of [one, other])
      expect(await replica.manifest('b', digest)).toEqual(image.manifest.bytes)
    await one.deleteManifest('b', digest)
    await expect.poll(() => other.manifest('b', digest)).toBeUndefined()
    expect(await other.manifest('b', 'v1')).toBeUndefined()
  })

  test('a tag that one sets is found by the search of the other, long before its sweep', async () => {
    const tags = async (): Promise<string[]> => {
      const answer = await fetch(`${servers[1]?.url}/v2/_entrepot/catalog/tags?q=found:v1`)
      const { tags } = (await answer.json()) as { tags: { repository: string }[] }
      return tags.map(({ repository }) => repository)
    }
    await expect.poll(tags, { timeout: 30_000 }).toEqual([])
    const image = imageOf([gzippedLayer([{ path: 'file', content: Buffer.from('found') }])])
    await one.pushImage('found', { tag: 'v1', image })
    await expect.poll(tags, { timeout: 30_000 }).toEqual(['found'])
  })

  test('both go on while Redis stands still, and agree again after it', async () => {
    const digest = await one.pushBlob('c', Buffer.from('while Redis stands still'))
    for (const replica of [one, other]) expect(await replica.hasBlob('c', digest)).toBe(true)
    redis.freeze()
    await one.deleteBlob('c', digest)
    expect(await one.hasBlob('c', digest)).toBe(false)
    const added = await other.pushBlob('c', Buffer.from('pushed meanwhile'))
    expect(await one.hasBlob('c', added)).toBe(true)
    // What the other had heard of before is believed for some seconds at most.
    await expect.poll(() => other.hasBlob('c', digest), { timeout: 20_000 }).toBe(false)
    redis.thaw()
    await expect.poll(() => redis.run('GET', `entrepot:m:blob:c@${digest}`), { timeout: 10_000 }).toBe('gone')
    for (const replica of [one, other]) expect(await replica.hasBlob('c', digest)).toBe(false)
  })
})
