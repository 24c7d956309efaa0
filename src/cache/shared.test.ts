import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { CountedSource, describeDescriptorCache } from '../../test/contract/descriptor-cache.ts'
import type { Invalidation, Peers } from '../core/coordination/peers.ts'
import { RegistryError } from '../core/errors.ts'
import { parseRepositoryName } from '../core/reference.ts'
import { MemoryDescriptorCache } from './memory.ts'
import { SharedDescriptorCache } from './shared.ts'

/** Channels between processes, within this one. Messages are passed as JSON. */
class Lines {
  readonly #listeners: ((invalidation: Invalidation) => Promise<void>)[] = []
  areCut = false

  end(): Peers {
    let own: ((invalidation: Invalidation) => Promise<void>) | undefined
    return {
      subscribe: (apply) => {
        own = apply
        this.#listeners.push(apply)
      },
      publish: async (invalidation) => {
        if (this.areCut) throw new RegistryError('UNAVAILABLE')
        const others = this.#listeners.filter((listener) => listener !== own)
        await Promise.all(others.map((listener) => listener(JSON.parse(JSON.stringify(invalidation)))))
      },
    }
  }
}

function cacheAt(lines: Lines): SharedDescriptorCache {
  return new SharedDescriptorCache({
    cache: new MemoryDescriptorCache({ maxEntries: 10 }),
    peers: lines.end(),
  })
}

describeDescriptorCache('in memory, beside another one', async () => {
  const lines = new Lines()
  const [cache, other] = [cacheAt(lines), cacheAt(lines)]
  return { cache, close: async () => void (await Promise.all([cache.close(), other.close()])) }
})

describe('the descriptor cache beside others', () => {
  const lines = new Lines()
  let caches: [SharedDescriptorCache, SharedDescriptorCache]
  let source: CountedSource
  beforeEach(() => {
    caches = [cacheAt(lines), cacheAt(lines)]
    source = new CountedSource(parseRepositoryName('a'))
    lines.areCut = false
  })
  afterEach(() => Promise.all(caches.map((cache) => cache.close())))

  it.each(['evict', 'forget'] as const)('%s reaches the others before it is fulfilled', async (how) => {
    const digest = source.put('one')
    for (const cache of caches) await cache.find(source, digest)
    source.links.clear()
    if (how === 'evict') await caches[0].evict(source, [digest])
    else await caches[0].evictContent(digest)
    for (const cache of caches) expect(cache.getIfCached(source, digest)).toBeUndefined()
  })

  it('what another one looks up while it is evicted is not remembered there', async () => {
    const digest = source.put('one')
    const { promise, resolve } = Promise.withResolvers<void>()
    source.held = promise
    const finding = caches[1].find(source, digest)
    await expect.poll(() => source.resolved).toBe(1)
    source.links.clear()
    await caches[0].evict(source, [digest])
    resolve()
    await finding
    expect(await caches[1].find(source, digest)).toBeUndefined()
  })

  it('an eviction fails when the others cannot be told, but is done here', async () => {
    const digest = source.put('one')
    await caches[0].find(source, digest)
    lines.areCut = true
    await expect(caches[0].evict(source, [digest])).rejects.toThrow(RegistryError)
    expect(caches[0].getIfCached(source, digest)).toBeUndefined()
  })
})
