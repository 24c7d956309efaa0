import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { CountedSource, contentOf, describeDescriptorCache } from '../../test/contract/descriptor-cache.ts'
import { describeWith } from '../../test/support/describe-with.ts'
import { type OpenedRedisCache, openRedisCache } from '../../test/support/redis-cache.ts'
import { RedisProcess } from '../../test/support/redis-process.ts'
import { digestOf } from '../core/digest.ts'
import { parseRepositoryName } from '../core/reference.ts'

const a = parseRepositoryName('a')
const digest = digestOf(Buffer.from('one'))
const memberKey = `entrepot:m:blob:a@${digest}`
const contentKey = `entrepot:c:blob:${digest}`

describeWith(['redis-server'], 'the layer info cache in Redis', () => {
  let redis: RedisProcess
  beforeAll(async () => {
    redis = await RedisProcess.start()
  })
  afterAll(() => redis[Symbol.asyncDispose]())
  beforeEach(async () => {
    await redis.run('FLUSHALL')
  })

  async function openReplica(options?: Parameters<typeof openRedisCache>[1]): Promise<OpenedRedisCache> {
    // Longer than pauses of the machine: Redis answers in these tests.
    const opened = await openRedisCache({ addr: redis.address }, { commandTimeoutMs: 10_000, ...options })
    await opened.cache.reachable()
    return opened
  }

  /** Resolves once the cache's pending writes are in Redis. */
  async function written(...keys: string[]): Promise<void> {
    await expect.poll(() => redis.run('EXISTS', ...keys), { interval: 5, timeout: 10_000 }).toBe(keys.length)
  }

  describeDescriptorCache('in Redis', async () => {
    const { cache } = await openReplica()
    return { cache, close: () => cache.close() }
  })

  describeDescriptorCache('in a Redis that is not there', async () => {
    const { cache } = await openRedisCache({ addr: '127.0.0.1:1' })
    return { cache, close: () => cache.close() }
  })

  describe('two replicas', () => {
    let one: OpenedRedisCache
    let other: OpenedRedisCache
    let source: CountedSource
    let elsewhere: CountedSource
    beforeEach(async () => {
      one = await openReplica()
      other = await openReplica()
      source = new CountedSource(a)
      elsewhere = new CountedSource(a)
      for (const each of [source, elsewhere]) each.put('one')
      return async () => {
        await one.cache.close()
        await other.cache.close()
      }
    })

    it('what one has asked storage, the other need not', async () => {
      await one.cache.find(source, digest)
      await written(memberKey, contentKey)
      expect(await other.cache.find(elsewhere, digest)).toEqual(contentOf('one'))
      expect(other.cache.getIfCached(elsewhere, digest)).toEqual(contentOf('one'))
      expect([elsewhere.resolved, elsewhere.described]).toEqual([0, 0])
      expect([other.cache.counts.requests, other.cache.counts.hits]).toEqual([2, 2])
    })

    it('what was pushed to one, the other knows', async () => {
      await one.cache.writeThrough(source, digest, async () => contentOf('one'))
      await written(memberKey, contentKey)
      expect(await other.cache.find(elsewhere, digest)).toEqual(contentOf('one'))
      expect(elsewhere.resolved).toBe(0)
    })

    it('what is evicted by one is forgotten by the other at once', async () => {
      await one.cache.find(source, digest)
      await written(memberKey, contentKey)
      await other.cache.find(elsewhere, digest)
      for (const each of [source, elsewhere]) each.links.clear()
      await one.cache.evict(source, [digest])
      await expect.poll(() => other.cache.getIfCached(elsewhere, digest), { interval: 1 }).toBeUndefined()
      expect(await other.cache.find(elsewhere, digest)).toBeUndefined()
    })

    it('what one forgets for all repositories the other forgets too', async () => {
      await one.cache.find(source, digest)
      await written(memberKey, contentKey)
      await other.cache.find(elsewhere, digest)
      for (const each of [source, elsewhere]) each.sizes.clear()
      await one.cache.evictContent(digest)
      await expect.poll(() => other.cache.getIfCached(elsewhere, digest), { interval: 1 }).toBeUndefined()
      expect(await other.cache.find(elsewhere, digest)).toBeUndefined()
    })

    it('what one looked up before it was evicted by the other does not come back', async () => {
      const { promise, resolve } = Promise.withResolvers<void>()
      source.held = promise
      const finding = one.cache.find(source, digest)
      await expect.poll(() => source.resolved).toBe(1)
      for (const each of [source, elsewhere]) each.links.clear()
      await other.cache.evict(elsewhere, [digest])
      resolve()
      await finding
      expect(await other.cache.find(elsewhere, digest)).toBeUndefined()
      await expect.poll(() => one.cache.find(source, digest)).toBeUndefined()
      expect(await redis.run('GET', memberKey)).toBe('gone')
    })

    it('what was evicted and is pushed again is found by both', async () => {
      await one.cache.find(source, digest)
      await one.cache.evict(source, [digest])
      await one.cache.writeThrough(source, digest, async () => contentOf('one'))
      expect(one.cache.getIfCached(source, digest)).toEqual(contentOf('one'))
      expect(await other.cache.find(elsewhere, digest)).toEqual(contentOf('one'))
    })

    it('an emptied Redis changes no answer', async () => {
      await one.cache.find(source, digest)
      await written(memberKey, contentKey)
      await redis.run('FLUSHALL')
      await expect.poll(() => one.cache.getIfCached(source, digest)).toBeUndefined()
      expect(await one.cache.find(source, digest)).toEqual(contentOf('one'))
      expect(source.resolved).toBe(2)
      await written(memberKey, contentKey)
    })
  })

  it('entries end by themselves, tombstones sooner', async () => {
    await using replica = await openReplica({ ttlMs: 100_000 })
    const source = new CountedSource(a)
    source.put('one')
    await replica.cache.find(source, digest)
    await written(memberKey, contentKey)
    for (const key of [memberKey, contentKey]) {
      const left = Number(await redis.run('PTTL', key))
      expect(left).toBeGreaterThan(90_000)
      expect(left).toBeLessThanOrEqual(100_000)
    }
    await replica.cache.evict(source, [digest])
    expect(Number(await redis.run('PTTL', memberKey))).toBeLessThanOrEqual(60_000)
  })

  it('an entry that Redis kept beyond its end is not believed', async () => {
    await using replica = await openReplica({ ttlMs: 1_000 })
    const source = new CountedSource(a)
    source.put('one')
    await replica.cache.find(source, digest)
    await written(memberKey)
    const value = String(await redis.run('GET', memberKey))
    await expect.poll(() => replica.cache.getIfCached(source, digest), { timeout: 10_000 }).toBeUndefined()
    await redis.run('SET', memberKey, value)
    source.links.clear()
    expect(await replica.cache.find(source, digest)).toBeUndefined()
  })

  describe('whoever can write to Redis', () => {
    /** The entries of a blob in a repository, as the cache wrote them. */
    async function entriesOf(): Promise<{ member: string; content: string }> {
      await using replica = await openReplica()
      const source = new CountedSource(a)
      source.put('one')
      await replica.cache.find(source, digest)
      await written(memberKey, contentKey)
      return {
        member: String(await redis.run('GET', memberKey)),
        content: String(await redis.run('GET', contentKey)),
      }
    }

    it.each([
      ['a digest', digest],
      ['nothing', ''],
      ['rubbish', '\u0000\r\n}{'],
      ['a code of the wrong secret', `AAAAAAAAAAAAAAAAAAAAAA 1 99999999999999 ${digest}`],
    ])('cannot make a repository have a blob: %s', async (_, forged) => {
      await using replica = await openReplica()
      await redis.run('SET', memberKey, forged)
      const empty = new CountedSource(a)
      empty.sizes.set(digest, 3)
      expect(await replica.cache.find(empty, digest)).toBeUndefined()
    })

    it.each([
      ['a key of another type', () => redis.run('RPUSH', memberKey, 'x')],
      ['a value of many megabytes', () => redis.run('SETRANGE', memberKey, '33554432', 'x')],
    ])('cannot keep an entry from being written again, nor fill the memory: %s', async (_, plant) => {
      await using replica = await openReplica()
      await plant()
      const source = new CountedSource(a)
      source.put('one')
      const before = process.memoryUsage().rss
      expect(await replica.cache.find(source, digest)).toEqual(contentOf('one'))
      expect(process.memoryUsage().rss - before).toBeLessThan(16 * 1024 ** 2)
      await expect.poll(() => redis.run('TYPE', memberKey)).toBe('string')
      await expect.poll(async () => Number(await redis.run('STRLEN', memberKey))).toBeLessThan(1_000)
      await using other = await openReplica()
      expect(await other.cache.find(new CountedSource(a), digest)).toEqual(contentOf('one'))
    })

    it("cannot use another repository's entry", async () => {
      const { member } = await entriesOf()
      await redis.run('SET', `entrepot:m:blob:b@${digest}`, member)
      await using replica = await openReplica()
      const empty = new CountedSource(parseRepositoryName('b'))
      empty.sizes.set(digest, 3)
      expect(await replica.cache.find(empty, digest)).toBeUndefined()
    })

    it('cannot change a size or a media type', async () => {
      const { content } = await entriesOf()
      await redis.run('SET', contentKey, content.replace(/3 application.*$/, '4 text/html'))
      await using replica = await openReplica()
      const source = new CountedSource(a)
      source.put('one')
      const { errors } = replica.cache.counts
      expect(await replica.cache.find(source, digest)).toEqual(contentOf('one'))
      expect(replica.cache.counts.errors).toBe(errors + 1)
      await expect.poll(async () => (await redis.run('GET', contentKey)) !== null).toBe(true)
      expect(String(await redis.run('GET', contentKey))).toContain('3 application/octet-stream')
    })

    it('cannot lengthen the life of an entry', async () => {
      const { member } = await entriesOf()
      await redis.run(
        'SET',
        memberKey,
        member.replace(/ 1 (\d+) /, (_, end) => ` 1 ${Number(end) + 1000} `),
      )
      await using replica = await openReplica()
      expect(await replica.cache.find(new CountedSource(a), digest)).toBeUndefined()
    })

    it('with another secret is a stranger', async () => {
      await entriesOf()
      await using stranger = await openReplica({ secret: 'another' })
      const source = new CountedSource(a)
      source.put('one')
      expect(await stranger.cache.find(source, digest)).toEqual(contentOf('one'))
      expect(source.resolved).toBe(1)
    })
  })
})
