import { describe, expect, it } from 'vitest'
import { CountedSource, describeDescriptorCache } from '../../test/contract/descriptor-cache.ts'
import { parseRepositoryName } from '../core/reference.ts'
import { MemoryDescriptorCache } from './memory.ts'

const a = parseRepositoryName('a')

describeDescriptorCache('in memory', async () => {
  const cache = new MemoryDescriptorCache({ maxEntries: 10 })
  return { cache, close: () => cache.close() }
})

describe('the descriptor cache in memory', () => {
  it.each([
    { maxEntries: 2, isRemembered: false },
    { maxEntries: 0, isRemembered: true },
    { maxEntries: -1, isRemembered: true },
  ])('with room for $maxEntries, the oldest of three is remembered: $isRemembered', async (row) => {
    const cache = new MemoryDescriptorCache(row)
    const source = new CountedSource(a)
    const [first] = ['one', 'two', 'three'].map((content) => source.put(content))
    for (const digest of source.links.keys()) await cache.find(source, digest)
    expect(cache.getIfCached(source, first!) !== undefined).toBe(row.isRemembered)
    expect(cache.counts.displaced).toBe(row.isRemembered ? 0 : 1)
  })

  it('remembers in how many repositories a blob is up to a number as well', async () => {
    const cache = new MemoryDescriptorCache({ maxEntries: 1 })
    const sources = Array.from(
      { length: 5 },
      (_, index) => new CountedSource(parseRepositoryName(`r${index}`)),
    )
    const digests = sources.map((source) => source.put('one'))
    for (const [index, source] of sources.entries()) await cache.find(source, digests[index]!)
    expect(sources.map((source, index) => cache.getIfCached(source, digests[index]!) !== undefined)).toEqual([
      false,
      true,
      true,
      true,
      true,
    ])
  })

  it('forgets what is older than its time to live', async () => {
    const cache = new MemoryDescriptorCache({ maxEntries: 10, ttlMs: 1 })
    const source = new CountedSource(a)
    const digest = source.put('one')
    await cache.find(source, digest)
    await expect.poll(() => cache.getIfCached(source, digest)).toBeUndefined()
  })

  it('counts the age of an answer from when it was asked for', async () => {
    const cache = new MemoryDescriptorCache({ maxEntries: 10, ttlMs: 50 })
    const source = new CountedSource(a)
    const digest = source.put('one')
    const { promise, resolve } = Promise.withResolvers<void>()
    source.held = promise
    const finding = cache.find(source, digest)
    standStill(60)
    source.links.clear()
    source.held = Promise.resolve()
    expect(await cache.find(source, digest)).toBeUndefined()
    resolve()
    expect(await finding).toBeDefined()
    expect(cache.getIfCached(source, digest)).toBeUndefined()
  })

  it('where it must be exact, an entry is too old at once when the process goes on', async () => {
    const cache = new MemoryDescriptorCache({ maxEntries: 10, ttlMs: 1_000, isExact: true })
    const source = new CountedSource(a)
    const digest = source.put('one')
    await cache.find(source, digest)
    expect(cache.getIfCached(source, digest)).toBeDefined()
    standStill(1_010)
    expect(cache.getIfCached(source, digest)).toBeUndefined()
  })
})

function standStill(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms)
}
