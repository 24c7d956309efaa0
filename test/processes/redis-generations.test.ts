/** When processes believe what Redis has, and when they begin anew. */
import { randomUUID } from 'node:crypto'
import { afterEach, beforeEach, expect, test } from 'vitest'
import type { GenerationFile } from '../../src/cache/redis/generation.ts'
import { digestOf } from '../../src/core/digest.ts'
import { parseRepositoryName } from '../../src/core/reference.ts'
import { CountedSource, contentOf } from '../contract/descriptor-cache.ts'
import { describeWith } from '../support/describe-with.ts'
import { type OpenedRedisCache, openRedisCache } from '../support/redis-cache.ts'
import { RedisProcess } from '../support/redis-process.ts'
import { TcpProxy } from '../support/tcp-proxy.ts'

const a = parseRepositoryName('a')
const digest = digestOf(Buffer.from('one'))
const memberKey = `entrepot:m:blob:a@${digest}`
const contentKey = `entrepot:c:blob:${digest}`
const generationKey = 'entrepot:generation'

/** Longer than any hiccup of the machine. */
const patient = { commandTimeoutMs: 10_000 }

/** A file in memory, which can be made to fail. */
class StoredGeneration implements GenerationFile {
  isWritable = true
  content: string | undefined
  /** What each question waits for. */
  held: Promise<unknown> = Promise.resolve()
  failure: Error | undefined
  writes = 0

  async read(): Promise<string | undefined> {
    await this.held
    if (this.failure !== undefined) throw this.failure
    return this.content
  }

  async write(content: string): Promise<void> {
    if (this.failure !== undefined) throw this.failure
    this.writes++
    this.content = content
  }
}

describeWith(['redis-server'], 'generations of the layer info cache', () => {
  let redis: RedisProcess
  let file: StoredGeneration
  let source: CountedSource
  let opened: AsyncDisposableStack
  beforeEach(async () => {
    opened = new AsyncDisposableStack()
    redis = opened.use(await RedisProcess.start())
    file = new StoredGeneration()
    source = new CountedSource(a)
    source.put('one')
  })
  afterEach(() => opened.disposeAsync())

  /** A process over the storage, once it uses Redis. */
  async function join(
    options: { generationFile?: GenerationFile; addr?: string; commandTimeoutMs?: number } = patient,
  ): Promise<OpenedRedisCache> {
    const { addr = redis.address, ...others } = options
    const replica = opened.use(await openRedisCache({ addr }, { generationFile: file, ...others }))
    await replica.cache.reachable()
    return replica
  }

  /** Fulfilled once the entries of what was looked up or pushed are in Redis. */
  async function written(): Promise<void> {
    await expect.poll(() => redis.run('EXISTS', memberKey, contentKey), { timeout: 10_000 }).toBe(2)
  }

  /** How often storage is asked when a process looks for the blob. */
  async function asked({ cache }: OpenedRedisCache): Promise<number> {
    const before = source.resolved
    expect(await cache.find(source, digest)).toEqual(contentOf('one'))
    return source.resolved - before
  }

  test('the name stands in Redis and on the storage', async () => {
    await join()
    expect(file.content).toMatch(/^[0-9a-f-]{36}$/)
    expect(await redis.run('GET', generationKey)).toBe(file.content)
  })

  test('a process that starts beside others believes what they have learned', async () => {
    const first = await join()
    await first.cache.find(source, digest)
    await written()
    const { content } = file
    expect(await asked(await join())).toBe(0)
    expect(file.content).toBe(content)
  })

  test('a process that starts when there are no others believes nothing', async () => {
    const first = await join()
    await first.cache.find(source, digest)
    await written()
    await first.cache.close()
    const { content } = file
    const next = await join()
    expect(file.content).not.toBe(content)
    expect(await redis.run('GET', generationKey)).toBe(file.content)
    expect(await asked(next)).toBe(1)
    // A tombstone, since somebody may be evicting it.
    await expect.poll(() => redis.run('GET', memberKey)).toBe('gone')
    expect(next.cache.counts.errors).toBe(0)
  })

  test('several that start at once agree', async () => {
    const replicas = await Promise.all([join(), join(), join(), join()])
    await expect.poll(() => redis.run('GET', generationKey)).toBe(file.content)
    expect(file.writes).toBe(1)
    await replicas[0]?.cache.find(source, digest)
    await written()
    for (const replica of replicas) expect(await asked(replica)).toBe(0)
  })

  test('a Redis that is slow for a moment loses nothing', async () => {
    const replica = await join({ commandTimeoutMs: 1_000 })
    await replica.cache.find(source, digest)
    await written()
    const { content } = file
    redis.freeze()
    await replica.logged.until('Redis cannot be used')
    redis.thaw()
    await replica.cache.reachable()
    expect(await asked(replica)).toBe(0)
    expect(file.content).toBe(content)
  })

  test('a connection that breaks loses nothing while others keep theirs', async () => {
    const line = opened.use(await TcpProxy.start(redis.port))
    const first = await join()
    const other = await join({ ...patient, addr: line.address })
    await first.cache.find(source, digest)
    await written()
    const { content } = file
    line.cut()
    await other.logged.until('Redis cannot be used')
    line.heal()
    await other.cache.reachable()
    expect(await asked(other)).toBe(0)
    expect(file.content).toBe(content)
  })

  test('when all connections break, nothing from before is believed', async () => {
    const line = opened.use(await TcpProxy.start(redis.port))
    const [first, other] = [await join({ addr: line.address }), await join({ addr: line.address })]
    await first.cache.find(source, digest)
    await written()
    line.cut()
    for (const { logged } of [first, other]) await logged.until('Redis cannot be used')
    line.heal()
    for (const { cache } of [first, other]) await cache.reachable()
    expect(await asked(other)).toBe(1)
  })

  test('an emptied Redis has no older entries to doubt', async () => {
    const replica = await join()
    const { content } = file
    await redis.run('FLUSHALL')
    await expect.poll(() => redis.run('GET', generationKey), { timeout: 5_000 }).toBe(content)
    expect(await asked(replica)).toBe(1)
    await written()
    expect(file.content).toBe(content)
  })

  test('what was being looked up when Redis was emptied is not written down', async () => {
    const [one, other] = [await join(), await join()]
    const { promise, resolve } = Promise.withResolvers<void>()
    source.held = promise
    const finding = one.cache.find(source, digest)
    await expect.poll(() => source.resolved).toBe(1)
    const elsewhere = new CountedSource(a)
    await other.cache.evict(elsewhere, [digest])
    await redis.run('FLUSHALL')
    await expect.poll(() => redis.run('EXISTS', generationKey), { timeout: 5_000 }).toBe(1)
    resolve()
    await finding
    expect(await other.cache.find(elsewhere, digest)).toBeUndefined()
    expect(await redis.run('EXISTS', memberKey)).toBe(0)
  })

  test('a Redis that takes no writes is not used, whatever it answers', async () => {
    const replica = await join()
    await replica.cache.find(source, digest)
    await redis.run('REPLICAOF', '127.0.0.1', '1')
    await replica.logged.until('READONLY')
    expect(replica.cache.getIfCached(source, digest)).toBeUndefined()
    expect(await asked(replica)).toBe(1)
    await redis.run('REPLICAOF', 'NO', 'ONE')
    await replica.cache.reachable()
  })

  test('what Redis did not take ends the generation before it is answered', async () => {
    const replica = await join()
    await redis.run('REPLICAOF', '127.0.0.1', '1')
    await replica.cache.evict(source, [digest])
    expect(file.content).toBe('ended')
    const { writes } = file
    await replica.cache.evict(source, [digest])
    await replica.cache.evictContent(digest)
    expect(file.writes).toBe(writes)
  })

  test('what a Redis took that the others have left ends the generation too', async () => {
    const replica = await join()
    // As another process does that has begun anew, with another Redis.
    file.content = randomUUID()
    await replica.cache.evict(source, [digest])
    expect(file.content).toBe('ended')
    expect(await redis.run('GET', memberKey)).toBe('gone')
  })

  test('what neither Redis nor the storage takes is an error', async () => {
    const replica = await join()
    await redis.run('REPLICAOF', '127.0.0.1', '1')
    file.failure = new Error('the disk is full')
    await expect(replica.cache.evict(source, [digest])).rejects.toThrow('the disk is full')
    file.failure = undefined
    await replica.cache.evict(source, [digest])
    expect(file.content).toBe('ended')
  })

  test('a process hears from the storage that another has ended the generation', async () => {
    const replica = await join()
    await replica.cache.find(source, digest)
    const { content } = file
    file.content = 'ended'
    const startedAt = performance.now()
    await expect
      .poll(() => replica.cache.getIfCached(source, digest), { timeout: 10_000, interval: 5 })
      .toBeUndefined()
    expect(performance.now() - startedAt).toBeLessThan(5_000)
    await replica.cache.reachable()
    expect(await asked(replica)).toBe(1)
    expect(['ended', content]).not.toContain(file.content)
  })

  test('nothing is believed for longer than 5 s without the storage', async () => {
    const replica = await join()
    await replica.cache.find(source, digest)
    await written()
    const { promise, resolve } = Promise.withResolvers<void>()
    const startedAt = performance.now()
    file.held = promise
    await expect
      .poll(() => replica.cache.getIfCached(source, digest), { timeout: 20_000, interval: 5 })
      .toBeUndefined()
    const believedFor = performance.now() - startedAt
    // The storage may have been asked up to 2 s before.
    expect(believedFor).toBeGreaterThan(2_900)
    expect(believedFor).toBeLessThan(5_500)
    expect(await asked(replica)).toBe(1)
    file.held = Promise.resolve()
    resolve()
    await replica.cache.reachable()
    expect(await asked(replica)).toBe(0)
  })

  test('a process that stood still believes nothing when it goes on', async () => {
    const replica = await join()
    await replica.cache.find(source, digest)
    expect(replica.cache.getIfCached(source, digest)).toEqual(contentOf('one'))
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5_100)
    expect(replica.cache.getIfCached(source, digest)).toBeUndefined()
    await replica.cache.reachable()
  })

  test('a storage that fails is no reason to believe', async () => {
    const replica = await join()
    file.failure = new Error('no such disk')
    await expect
      .poll(() => replica.logged.lines.join(), { timeout: 20_000 })
      .toContain('the generation was not confirmed by storage')
    file.failure = undefined
    await replica.cache.reachable()
  })

  test('where nothing may be written to the storage, another process must begin', async () => {
    file.content = 'ended'
    const readOnly = { isWritable: false, read: () => file.read(), write: () => file.write('wrong') }
    const reader = opened.use(
      await openRedisCache({ addr: redis.address }, { generationFile: readOnly, ...patient }),
    )
    await reader.logged.until('read-only')
    const writer = await join()
    await writer.cache.find(source, digest)
    await written()
    await reader.cache.reachable()
    expect(await asked(reader)).toBe(0)
    expect(file.content).toMatch(/^[0-9a-f-]{36}$/)
  })

  test('where nothing was ever written to the storage, those who may not write it agree in Redis', async () => {
    const generationFile = {
      isWritable: false,
      read: async () => undefined,
      write: () => file.write('wrong'),
    }
    const first = await join({ ...patient, generationFile })
    await first.cache.find(source, digest)
    await written()
    expect(await asked(await join({ ...patient, generationFile }))).toBe(0)
    expect(file.writes).toBe(0)
  })

  test.each(['ended', 'x', ''])('whoever can write to Redis cannot name a generation: %j', async (name) => {
    const replica = await join()
    await replica.cache.find(source, digest)
    await written()
    file.content = 'ended'
    await redis.run('SET', generationKey, name)
    await expect.poll(() => replica.cache.getIfCached(source, digest), { timeout: 10_000 }).toBeUndefined()
    await replica.cache.reachable()
    expect(file.content).toMatch(/^[0-9a-f-]{36}$/)
    expect(await asked(replica)).toBe(1)
  })
})
