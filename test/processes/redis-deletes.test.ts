/** What one replica deleted while Redis fails is not served by another for longer than docs/cache.md says. */
import { rm } from 'node:fs/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { describeWith } from '../support/describe-with.ts'
import { RedisProcess } from '../support/redis-process.ts'
import {
  type Content,
  deleteFrom,
  RedisReplicas,
  type Replica,
  servedFor,
  statuses,
} from '../support/redis-replicas.ts'
import { TcpProxy } from '../support/tcp-proxy.ts'

/** The bound of docs/cache.md. */
const BOUND_MS = 5_000

const gone = [404, 404]

/** All of them use Redis again, and none has the content. */
async function expectGoneForGood(
  replicas: RedisReplicas,
  { at, content }: { at: readonly Replica[]; content: Content },
): Promise<void> {
  for (const replica of at) await replicas.usesRedis(replica)
  for (const replica of at) expect(await statuses(replica, content)).toEqual(gone)
}

/** The entry of the blob, as Redis has it. */
async function entryOf({ repository, blob }: Content, redis: RedisProcess): Promise<string> {
  return String(await redis.run('GET', `entrepot:m:blob:${repository}@${blob}`))
}

describeWith(['redis-server'], 'what one replica deleted', () => {
  describe('where both live on', () => {
    const opened = new AsyncDisposableStack()
    let redis: RedisProcess
    let replicas: RedisReplicas
    let one: Replica
    let other: Replica
    let content: Content
    beforeAll(async () => {
      redis = opened.use(await RedisProcess.start())
      replicas = opened.use(await RedisReplicas.start(redis))
      one = await replicas.start()
      other = await replicas.start()
    })
    afterAll(() => opened.disposeAsync())
    beforeEach(async () => {
      for (const replica of [one, other]) await replicas.usesRedis(replica)
      content = await replicas.push([one, other])
    })

    const refusals = {
      'READONLY, as after a failover': {
        refuse: () => redis.run('REPLICAOF', '127.0.0.1', '1'),
        take: () => redis.run('REPLICAOF', 'NO', 'ONE'),
      },
      'NOPERM, as when its user may only read': {
        refuse: () => redis.run('ACL', 'SETUSER', 'default', '-set', '-del'),
        take: () => redis.run('ACL', 'SETUSER', 'default', '+set', '+del'),
      },
      'NOREPLICAS, as when it has lost those that it must have': {
        refuse: () => redis.run('CONFIG', 'SET', 'min-replicas-to-write', '1'),
        take: () => redis.run('CONFIG', 'SET', 'min-replicas-to-write', '0'),
      },
      'MISCONF, as when it cannot write its snapshots': {
        async refuse() {
          await rm(redis.folder, { recursive: true, force: true })
          await redis.run('CONFIG', 'SET', 'save', '3600 1')
          const write = () => redis.run('SET', 'x', 'y').catch(String)
          await redis.run('BGSAVE').catch(() => {})
          await expect.poll(write, { timeout: 20_000 }).toMatch('MISCONF')
        },
        take: () => redis.run('CONFIG', 'SET', 'stop-writes-on-bgsave-error', 'no'),
      },
    }
    test.each(Object.entries(refusals))('while Redis answers %s', async (_, { refuse, take }) => {
      onTestFinished(async () => void (await take()))
      await refuse()
      await deleteFrom(one, content)
      expect(await statuses(one, content)).toEqual(gone)
      expect(await servedFor([one, other], content)).toBeLessThan(BOUND_MS)
      const late = await replicas.start()
      await late.client.pushBlob('b', Buffer.from('pushed meanwhile'))
      expect(await statuses(late, content)).toEqual(gone)
      await take()
      await expectGoneForGood(replicas, { at: [one, other, late], content })
      await late.server.kill()
    })

    test('while Redis stands still', async () => {
      onTestFinished(() => redis.thaw())
      redis.freeze()
      await deleteFrom(one, content)
      expect(await statuses(one, content)).toEqual(gone)
      expect(await servedFor([one, other], content)).toBeLessThan(BOUND_MS)
      redis.thaw()
      await expectGoneForGood(replicas, { at: [one, other], content })
    })

    test.each([
      ['is cut off from Redis', (replica: Replica) => replica.line.cut()],
      ['gets nothing from Redis any more', (replica: Replica) => replica.line.holdUp()],
    ])('at one that %s', async (_, cutOff) => {
      onTestFinished(() => other.line.heal())
      cutOff(other)
      await deleteFrom(one, content)
      expect(await servedFor([other], content)).toBeLessThan(BOUND_MS)
      other.line.heal()
      await expectGoneForGood(replicas, { at: [one, other], content })
    })

    test('at one that was stopped meanwhile, to whoever waits for it', async () => {
      onTestFinished(() => void process.kill(other.server.pid, 'SIGCONT'))
      process.kill(other.server.pid, 'SIGSTOP')
      await deleteFrom(one, content)
      const waiting = statuses(other, content)
      await new Promise((resolve) => setTimeout(resolve, BOUND_MS + 500))
      process.kill(other.server.pid, 'SIGCONT')
      expect(await waiting).toEqual(gone)
      expect(await statuses(other, content)).toEqual(gone)
    })

    test('by a replica that never reached Redis', async () => {
      await using dead = await TcpProxy.start(redis.port)
      dead.cut()
      const lonely = await replicas.start(dead.port)
      await deleteFrom(lonely, content)
      expect(await servedFor([one, other], content)).toBeLessThan(BOUND_MS)
      await lonely.server.kill()
      await expectGoneForGood(replicas, { at: [one, other], content })
    })
  })

  describe('where it ends', () => {
    let redis: RedisProcess
    let replicas: RedisReplicas
    let one: Replica
    let other: Replica
    let content: Content
    beforeEach(async () => {
      await using opened = new AsyncDisposableStack()
      redis = opened.use(await RedisProcess.start())
      replicas = opened.use(await RedisReplicas.start(redis))
      one = await replicas.join()
      other = await replicas.join()
      content = await replicas.push([one, other])
      const all = opened.move()
      return () => all.disposeAsync()
    })

    test.each(['SIGKILL', 'SIGTERM'] as const)('by %s before Redis goes on', async (signal) => {
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

    test.each([
      ['cut off from Redis', (replica: Replica) => replica.line.cut()],
      ['when its packets to Redis were dropped', (replica: Replica) => replica.line.holdUp()],
    ])('%s', async (_, cutOff) => {
      cutOff(one)
      await deleteFrom(one, content)
      await one.server.kill()
      expect(await servedFor([other], content)).toBeLessThan(BOUND_MS)
      await expectGoneForGood(replicas, { at: [other, await replicas.start()], content })
    })

    test.each([
      ['Redis and all replicas, and Redis comes back', true],
      ['Redis alone, and comes back', false],
    ])('%s with an older snapshot', async (_, doReplicasEnd) => {
      await redis.run('SAVE')
      await deleteFrom(one, content)
      await redis.kill()
      if (doReplicasEnd) for (const { server } of [one, other]) await server.kill()
      const options = ['--dir', redis.folder]
      await using restarted = await RedisProcess.start({ port: redis.port, options })
      replicas.redis = restarted
      if (doReplicasEnd) {
        expect(await entryOf(content, restarted)).toContain(content.blob)
        one = await replicas.start()
        other = await replicas.start()
      }
      expect(await servedFor([one, other], content)).toBe(0)
      await expectGoneForGood(replicas, { at: [one, other], content })
    })
  })
})

describeWith(['redis-server'], 'what one replica deleted around a failover of Redis', () => {
  let master: RedisProcess
  let standby: RedisProcess
  let replication: TcpProxy
  let replicas: RedisReplicas
  let one: Replica
  let other: Replica
  let content: Content
  beforeEach(async () => {
    await using opened = new AsyncDisposableStack()
    master = opened.use(await RedisProcess.start())
    standby = opened.use(await RedisProcess.start())
    replication = opened.use(await TcpProxy.start(master.port))
    await standby.run('REPLICAOF', '127.0.0.1', `${replication.port}`)
    replicas = opened.use(await RedisReplicas.start(master))
    one = await replicas.join()
    other = await replicas.join()
    content = await replicas.push([one, other])
    await expect.poll(() => entryOf(content, standby), { timeout: 60_000 }).toContain(content.blob)
    const all = opened.move()
    return () => all.disposeAsync()
  })

  test('to a standby that was not told of it', async () => {
    replication.holdUp()
    await deleteFrom(one, content)
    expect(await entryOf(content, master)).toBe('gone')
    await master.kill()
    await standby.run('REPLICAOF', 'NO', 'ONE')
    expect(await entryOf(content, standby)).toContain(content.blob)
    for (const { line } of [one, other]) line.leadTo(standby.port)
    expect(await servedFor([one, other], content)).toBeLessThan(BOUND_MS)
    replicas.redis = standby
    await expectGoneForGood(replicas, { at: [one, other, await replicas.start()], content })
  })

  test('that the other one does not see: it stays with the old master, which goes on', async () => {
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
