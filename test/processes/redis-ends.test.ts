/** What one replica deleted is not served by another for longer than docs/cache.md says where a process ends: the replica, Redis, or
 *  both. Each test has processes of its own, and mostly waits: they run side by side. */
import { test as base, expect, vi } from 'vitest'
import { describeWith } from '../support/describe-with.ts'
import { RedisProcess } from '../support/redis-process.ts'
import {
  BOUND_MS,
  type Content,
  deleteFrom,
  entryOf,
  expectGoneForGood,
  RedisReplicas,
  type Replica,
  servedFor,
} from '../support/redis-replicas.ts'
import { TcpProxy } from '../support/tcp-proxy.ts'

const WAIT = { timeout: 60_000, interval: 50 }

/** Two replicas with one Redis, and content that both have at hand. */
interface Pair {
  readonly redis: RedisProcess
  readonly replicas: RedisReplicas
  readonly one: Replica
  readonly other: Replica
  readonly content: Content
}

/** A standby of a Redis, which is told what changes over a line of its own. */
interface Standby {
  readonly standby: RedisProcess
  readonly replication: TcpProxy
}

async function openStandby(redis: RedisProcess, opened: AsyncDisposableStack): Promise<Standby> {
  const standby = opened.use(await RedisProcess.start())
  const replication = opened.use(await TcpProxy.start(redis.port))
  await standby.run('REPLICAOF', '127.0.0.1', `${replication.port}`)
  return { standby, replication }
}

async function openPair(redis: RedisProcess, opened: AsyncDisposableStack): Promise<Pair> {
  const replicas = opened.use(await RedisReplicas.start(redis))
  const one = await replicas.join()
  const other = await replicas.join()
  return { redis, replicas, one, other, content: await replicas.push([one, other]) }
}

const test = base.extend<{ pair: Pair; guarded: Pair & Standby }>({
  pair: async ({ task: _ }, use) => {
    await using opened = new AsyncDisposableStack()
    await use(await openPair(opened.use(await RedisProcess.start()), opened))
  },
  guarded: async ({ task: _ }, use) => {
    await using opened = new AsyncDisposableStack()
    const redis = opened.use(await RedisProcess.start())
    const standby = await openStandby(redis, opened)
    const pair = await openPair(redis, opened)
    await vi.waitUntil(async () => (await entryOf(pair.content, standby.standby)) !== 'null', WAIT)
    await use({ ...pair, ...standby })
  },
})

describeWith(['redis-server'], 'what one replica deleted before it ends', () => {
  for (const signal of ['SIGKILL', 'SIGTERM'] as const) {
    test.concurrent(`by ${signal} before Redis goes on`, async ({ pair }) => {
      const { redis, replicas, one, other, content } = pair
      redis.freeze()
      await deleteFrom(one, content)
      process.kill(one.server.pid, signal)
      await one.server.exited
      // What it said to Redis is not heard either, as when its whole machine ends.
      one.line.cut()
      redis.thaw()
      expect(await servedFor([other], content)).toBeLessThan(BOUND_MS)
      await expectGoneForGood(replicas, { at: [other, await replicas.start()], content })
    })
  }

  for (const [name, cutOff] of [
    ['cut off from Redis', (replica: Replica) => replica.line.cut()],
    ['when its packets to Redis were dropped', (replica: Replica) => replica.line.holdUp()],
  ] as const) {
    test.concurrent(name, async ({ pair: { replicas, one, other, content } }) => {
      cutOff(one)
      await deleteFrom(one, content)
      await one.server.kill()
      expect(await servedFor([other], content)).toBeLessThan(BOUND_MS)
      await expectGoneForGood(replicas, { at: [other, await replicas.start()], content })
    })
  }
})

describeWith(
  ['redis-server'],
  'what one replica deleted, when Redis comes back with an older snapshot',
  () => {
    async function restart({ redis, replicas }: Pair, opened: AsyncDisposableStack): Promise<RedisProcess> {
      const options = ['--dir', redis.folder]
      replicas.redis = opened.use(await RedisProcess.start({ port: redis.port, options }))
      return replicas.redis
    }

    test.concurrent('and it alone ended', async ({ pair }) => {
      const { redis, replicas, one, other, content } = pair
      await using opened = new AsyncDisposableStack()
      await redis.run('SAVE')
      await deleteFrom(one, content)
      await redis.kill()
      await restart(pair, opened)
      expect(await servedFor([one, other], content)).toBe(0)
      await expectGoneForGood(replicas, { at: [one, other], content })
    })

    test.concurrent('and all replicas ended with it', async ({ pair }) => {
      const { redis, replicas, one, other, content } = pair
      await using opened = new AsyncDisposableStack()
      await redis.run('SAVE')
      await deleteFrom(one, content)
      await redis.kill()
      for (const { server } of [one, other]) await server.kill()
      expect(await entryOf(content, await restart(pair, opened))).toContain(content.blob)
      const next = [await replicas.start(), await replicas.start()]
      expect(await servedFor(next, content)).toBe(0)
      await expectGoneForGood(replicas, { at: next, content })
    })
  },
)

describeWith(['redis-server'], 'what one replica deleted around a failover of Redis', () => {
  test.concurrent('to a standby that was not told of it', async ({ guarded }) => {
    const { redis, standby, replication, replicas, one, other, content } = guarded
    replication.holdUp()
    await deleteFrom(one, content)
    expect(await entryOf(content, redis)).toBe('gone')
    await redis.kill()
    await standby.run('REPLICAOF', 'NO', 'ONE')
    expect(await entryOf(content, standby)).toContain(content.blob)
    for (const { line } of [one, other]) line.leadTo(standby.port)
    expect(await servedFor([one, other], content)).toBeLessThan(BOUND_MS)
    replicas.redis = standby
    await expectGoneForGood(replicas, { at: [one, other, await replicas.start()], content })
  })

  test.concurrent('that the other one does not see: it stays with the old master, which goes on', async ({
    guarded: { standby, replication, replicas, one, other, content },
  }) => {
    replication.cut()
    await standby.run('REPLICAOF', 'NO', 'ONE')
    one.line.leadTo(standby.port)
    await deleteFrom(one, content)
    expect(await servedFor([other], content)).toBeLessThan(BOUND_MS)
    for (let time = 0; time < 3; time++) {
      const next = await replicas.push([one, other])
      await deleteFrom(one, next)
      expect(await servedFor([other], next)).toBeLessThan(BOUND_MS)
    }
  })
})
