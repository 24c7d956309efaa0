/** What becomes of answers while Redis is slow, frozen, gone, full or not ours. */
import { expect, test } from 'vitest'
import { digestOf } from '../src/core/digest.ts'
import { parseRepositoryName } from '../src/core/reference.ts'
import { CountedSource, contentOf } from './contract/descriptor-cache.ts'
import { describeWith } from './support/describe-with.ts'
import { type OpenedRedisCache, openRedisCache } from './support/redis-cache.ts'
import { RedisProcess } from './support/redis-process.ts'

const a = parseRepositoryName('a')
const digest = digestOf(Buffer.from('one'))
const memberKey = `entrepot:m:blob:a@${digest}`

/** For a Redis that answers, whatever the machine is busy with. */
const patient = { commandTimeoutMs: 10_000 }

/** How often the log said that Redis cannot be used. */
function warnings({ logged }: OpenedRedisCache): number {
  return logged.lines.filter((line) => line.includes('Redis cannot be used')).length
}

function sourceWithOne(): CountedSource {
  const source = new CountedSource(a)
  source.put('one')
  return source
}

/** Distinct content in each of many repositories: nothing of it is remembered. */
function unknownSources(count: number): CountedSource[] {
  return Array.from({ length: count }, (_, index) => {
    const source = new CountedSource(parseRepositoryName(`r${index}`))
    source.put('one')
    return source
  })
}

describeWith(['redis-server'], 'the layer info cache', () => {
  test('a Redis that stands still holds nobody up, and is used again when it goes on', async () => {
    await using redis = await RedisProcess.start()
    await using replica = await openRedisCache({ addr: redis.address })
    await replica.cache.reachable()
    redis.freeze()
    const startedAt = performance.now()
    const sources = unknownSources(200)
    const found = await Promise.all(sources.map((source) => replica.cache.find(source, digest)))
    expect(found).toEqual(Array(200).fill(contentOf('one')))
    expect(performance.now() - startedAt).toBeLessThan(2_000)
    const again = performance.now()
    for (const source of unknownSources(300).slice(200)) await replica.cache.find(source, digest)
    // The circuit is open: a hundred calls that each wait 50 ms would take five seconds.
    expect(performance.now() - again).toBeLessThan(2_000)
    redis.thaw()
    const thawedAt = performance.now()
    await replica.cache.reachable()
    expect(performance.now() - thawedAt).toBeLessThan(5_000)
    expect(warnings(replica)).toBe(1)
    await replica.logged.until('Redis can be used again')
  })

  test('a Redis that stands still is noticed though nobody asks it anything', async () => {
    await using redis = await RedisProcess.start()
    await using replica = await openRedisCache({ addr: redis.address })
    await replica.cache.reachable()
    const source = sourceWithOne()
    await replica.cache.find(source, digest)
    redis.freeze()
    await replica.logged.until('Redis cannot be used')
    // What was believed because Redis would have told of a change is asked again.
    expect(replica.cache.getIfCached(source, digest)).toBeUndefined()
    redis.thaw()
  })

  test('what is evicted while Redis stands still is evicted there as soon as it goes on', async () => {
    await using redis = await RedisProcess.start()
    await using replica = await openRedisCache({ addr: redis.address })
    await replica.cache.reachable()
    const source = sourceWithOne()
    await replica.cache.find(source, digest)
    await expect.poll(() => redis.run('EXISTS', memberKey)).toBe(1)
    redis.freeze()
    source.links.clear()
    await replica.cache.evict(source, [digest])
    expect(await replica.cache.find(source, digest)).toBeUndefined()
    redis.thaw()
    await replica.cache.reachable()
    expect(await redis.run('GET', memberKey)).toBe('gone')
    await using other = await openRedisCache({ addr: redis.address })
    await other.cache.reachable()
    expect(await other.cache.find(source, digest)).toBeUndefined()
  })

  test('a Redis that is restarted is used again, and nothing is remembered from before', async () => {
    const redis = await RedisProcess.start()
    await using replica = await openRedisCache({ addr: redis.address })
    await replica.cache.reachable()
    const source = sourceWithOne()
    await replica.cache.find(source, digest)
    await redis[Symbol.asyncDispose]()
    await expect.poll(() => replica.cache.getIfCached(source, digest)).toBeUndefined()
    expect(await replica.cache.find(source, digest)).toEqual(contentOf('one'))
    await using _ = await RedisProcess.start({ port: redis.port })
    const restartedAt = performance.now()
    await replica.cache.reachable()
    expect(performance.now() - restartedAt).toBeLessThan(5_000)
    source.links.clear()
    expect(await replica.cache.find(source, digest)).toBeUndefined()
  })

  test('a Redis that is not there at the start is a warning, and is used once it is', async () => {
    const gone = await RedisProcess.start()
    await gone[Symbol.asyncDispose]()
    await using replica = await openRedisCache({ addr: gone.address })
    await replica.logged.until('Redis cannot be used')
    expect(await replica.cache.find(sourceWithOne(), digest)).toEqual(contentOf('one'))
    await using _ = await RedisProcess.start({ port: gone.port })
    await replica.cache.reachable()
  })

  test('a Redis with another password is as good as none, and is complained of once', async () => {
    await using redis = await RedisProcess.start({
      options: ['--requirepass', 'right'],
      client: { password: 'right' },
    })
    await using replica = await openRedisCache({ addr: redis.address, password: 'wrong' })
    await replica.logged.until('Redis cannot be used')
    for (const source of unknownSources(50)) {
      expect(await replica.cache.find(source, digest)).toEqual(contentOf('one'))
    }
    await expect.poll(() => replica.cache.counts.errors, { timeout: 10_000 }).toBeGreaterThan(2)
    expect(warnings(replica)).toBe(1)
    expect(replica.logged.lines.join()).not.toContain('wrong')
  })

  test('a Redis that is full changes no answer, and what is evicted goes', async () => {
    await using redis = await RedisProcess.start()
    await using replica = await openRedisCache({ addr: redis.address }, patient)
    await replica.cache.reachable()
    const source = sourceWithOne()
    await replica.cache.find(source, digest)
    await expect.poll(() => redis.run('EXISTS', memberKey)).toBe(1)
    await redis.run('CONFIG', 'SET', 'maxmemory', '1')
    for (const unknown of unknownSources(50)) {
      expect(await replica.cache.find(unknown, digest)).toEqual(contentOf('one'))
    }
    await expect.poll(() => replica.cache.counts.errors).toBeGreaterThanOrEqual(50)
    expect(warnings(replica)).toBe(1)
    source.links.clear()
    await replica.cache.evict(source, [digest])
    await expect.poll(() => redis.run('EXISTS', memberKey)).toBe(0)
    expect(await replica.cache.find(source, digest)).toBeUndefined()
  })

  test('what a Redis refuses to evict is tried again until it does', async () => {
    await using redis = await RedisProcess.start()
    await redis.run('ACL', 'SETUSER', 'registry', 'on', '>secret', '~entrepot:*', '+@all')
    await using replica = await openRedisCache({
      addr: redis.address,
      username: 'registry',
      password: 'secret',
    })
    await replica.cache.reachable()
    const source = sourceWithOne()
    await replica.cache.find(source, digest)
    await expect.poll(() => redis.run('EXISTS', memberKey)).toBe(1)
    await redis.run('ACL', 'SETUSER', 'registry', '-set', '-del')
    source.links.clear()
    await replica.cache.evict(source, [digest])
    expect(await replica.cache.find(source, digest)).toBeUndefined()
    expect(await redis.run('GET', memberKey)).not.toBe('gone')
    await redis.run('ACL', 'SETUSER', 'registry', '+set', '+del')
    await expect.poll(() => redis.run('GET', memberKey), { timeout: 10_000 }).toBe('gone')
  })
})
