import { describe, expect, test, vi } from 'vitest'
import { OCTET_STREAM } from '../core/descriptor.ts'
import type { StoredBlob } from '../core/descriptor-cache.ts'
import { digestOf } from '../core/digest.ts'
import { parseRepositoryName } from '../core/reference.ts'
import { MemoryDescriptorCache } from './memory.ts'

const a = parseRepositoryName('a')
const b = parseRepositoryName('b')

function blob(text: string): StoredBlob {
  const digest = digestOf(Buffer.from(text))
  return { descriptor: { mediaType: OCTET_STREAM, digest, size: text.length }, canonical: digest }
}

describe('the cache in memory', () => {
  const one = blob('one')
  const digest = one.canonical

  test('asks storage once for what is there', async () => {
    const cache = new MemoryDescriptorCache({ maxEntries: 10 })
    const look = vi.fn(async () => one)
    expect(await cache.find(a, digest, look)).toBe(one)
    expect(await cache.find(a, digest, look)).toBe(one)
    expect(look).toHaveBeenCalledTimes(1)
  })

  test('asks storage every time for what is not there', async () => {
    const cache = new MemoryDescriptorCache({ maxEntries: 10 })
    const look = vi.fn(async () => undefined)
    await cache.find(a, digest, look)
    await cache.find(a, digest, look)
    expect(look).toHaveBeenCalledTimes(2)
  })

  test('keeps repositories apart', async () => {
    const cache = new MemoryDescriptorCache({ maxEntries: 10 })
    await cache.find(a, digest, async () => one)
    expect(await cache.find(b, digest, async () => undefined)).toBeUndefined()
  })

  test('forgets a blob by every name', async () => {
    const cache = new MemoryDescriptorCache({ maxEntries: 10 })
    const alias = digestOf(Buffer.from('one'), 'sha512')
    for (const name of [digest, alias]) await cache.find(a, name, async () => one)
    await cache.evict(a, [digest, alias])
    for (const name of [digest, alias])
      expect(await cache.find(a, name, async () => undefined)).toBeUndefined()
  })

  test('does not remember what was evicted while storage was asked', async () => {
    const cache = new MemoryDescriptorCache({ maxEntries: 10 })
    const found = Promise.withResolvers<StoredBlob>()
    const finding = cache.find(a, digest, () => found.promise)
    await cache.evict(a, [digest])
    found.resolve(one)
    await finding
    expect(await cache.find(a, digest, async () => undefined)).toBeUndefined()
  })

  test.each([
    { maxEntries: 2, remembered: false },
    { maxEntries: 0, remembered: true },
  ])(
    'with room for $maxEntries, the oldest of three is remembered: $remembered',
    async ({ maxEntries, remembered }) => {
      const cache = new MemoryDescriptorCache({ maxEntries })
      for (const each of [one, blob('two'), blob('three')])
        await cache.find(a, each.canonical, async () => each)
      expect(await cache.find(a, digest, async () => undefined)).toEqual(remembered ? one : undefined)
    },
  )
})
