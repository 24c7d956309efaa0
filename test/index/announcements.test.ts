/** Two replicas with an index each, over one storage: what one changes, the other hears by Redis. */
import { afterEach, beforeEach, expect, test } from 'vitest'
import { RedisAnnouncements } from '../../src/cache/redis/announcements.ts'
import { configOf } from '../../src/config/load.ts'
import { DEFAULT_POLICY } from '../../src/core/manifest/policy.ts'
import { parseRepositoryName, parseTag } from '../../src/core/reference.ts'
import { StoredRegistry } from '../../src/registry/registry.ts'
import { MemoryDriver } from '../../src/storage/memory.ts'
import { pushTag } from '../contract/catalog-index/catalog-index.ts'
import { allTags, IndexUnderTest, silent, sqlite } from '../support/catalog-index.ts'
import { describeWith } from '../support/describe-with.ts'
import { RedisProcess } from '../support/redis-process.ts'

const HOUR_MS = 3_600_000
/** Long: only that it happens at all without a sweep is told here. */
const PATIENCE = { timeout: 30_000 }

describeWith(['redis-server'], 'indexes of two replicas with one Redis', () => {
  let redis: RedisProcess
  let stored: StoredRegistry
  let one: IndexUnderTest
  let other: IndexUnderTest
  beforeEach(async () => {
    redis = await RedisProcess.start()
    stored = new StoredRegistry({ driver: new MemoryDriver(), policy: DEFAULT_POLICY, log: silent })
    one = await start()
    other = await start()
  })
  afterEach(async () => {
    await one[Symbol.asyncDispose]()
    await other[Symbol.asyncDispose]()
    await stored.close()
    await redis[Symbol.asyncDispose]()
  })

  /** A replica that has seen all of storage and is connected; it sweeps no more by itself. */
  async function start(): Promise<IndexUnderTest> {
    const tree = { version: 0.1, storage: { inmemory: {} }, redis: { addr: redis.address } }
    const { redis: settings } = configOf(tree)
    if (settings === undefined) throw new Error('there are no settings')
    const announcements = new RedisAnnouncements({
      settings: { ...settings, tls: undefined },
      ...{ listens: true, log: silent, missedMs: 0 },
    })
    const replica = new IndexUnderTest(stored, sqlite(), { sweepMs: HOUR_MS, announcements })
    replica.feeder.start()
    await expect.poll(() => replica.index.state(), PATIENCE).toMatchObject({ isComplete: true })
    return replica
  }

  const tagsOf = async ({ index }: IndexUnderTest) =>
    (await index.tags(allTags)).entries.map(({ repository, name }) => `${repository}:${name}`).sort()

  /** Connections are made in the background. */
  async function connected(): Promise<void> {
    const lines = async () => String(await redis.run('CLIENT', 'LIST')).split('\n')
    await expect
      .poll(
        async () => (await lines()).filter((line) => /name=entrepot .*flags=\S*B/.test(line)).length,
        PATIENCE,
      )
      .toBe(2)
  }

  test('a tag that one sets, moves or removes is so in the other, without a sweep', async () => {
    await connected()
    await pushTag(one.registry, 'team/a:v1')
    await expect.poll(() => tagsOf(other), PATIENCE).toEqual(['team/a:v1'])
    const digestOf = async ({ index }: IndexUnderTest) => (await index.tags(allTags)).entries[0]?.digest
    const before = await digestOf(other)
    await pushTag(one.registry, 'team/a:v1', 'moved')
    await expect.poll(() => digestOf(other), PATIENCE).not.toBe(before)
    await one.registry.repository(parseRepositoryName('team/a')).tags.untag(parseTag('v1'))
    await expect.poll(() => tagsOf(other), PATIENCE).toEqual([])
  })

  test('while Redis is gone nothing waits, and what was missed is found when it is back', async () => {
    await connected()
    await redis.kill()
    await pushTag(one.registry, 'a:missed')
    await expect.poll(() => tagsOf(one), PATIENCE).toEqual(['a:missed'])
    expect(await tagsOf(other)).toEqual([])
    await using again = await RedisProcess.start({ port: redis.port })
    await expect.poll(() => tagsOf(other), PATIENCE).toEqual(['a:missed'])
    void again
  })
})
