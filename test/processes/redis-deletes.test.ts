/** What one replica deleted while Redis fails is not served by another for longer than docs/cache.md says. */
import { rm } from 'node:fs/promises'
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from 'vitest'
import { describeWith } from '../support/describe-with.ts'
import { RedisProcess } from '../support/redis-process.ts'
import {
  BOUND_MS,
  type Content,
  deleteFrom,
  expectGoneForGood,
  gone,
  RedisReplicas,
  type Replica,
  servedFor,
  statuses,
} from '../support/redis-replicas.ts'
import { TcpProxy } from '../support/tcp-proxy.ts'

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
})
