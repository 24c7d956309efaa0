import { expect, it } from 'vitest'
import { CountedSource } from '../../test/contract/descriptor-cache.ts'
import { FaultyDriver } from '../../test/support/faulty-driver.ts'
import { quiet } from '../../test/support/http-registry.ts'
import { MemoryDescriptorCache } from '../cache/memory.ts'
import { NO_CACHE } from '../core/descriptor-cache.ts'
import { DEFAULT_POLICY } from '../core/manifest/policy.ts'
import { parseRepositoryName } from '../core/reference.ts'
import { MemoryDriver } from '../storage/memory.ts'
import { StoredRegistry } from './registry.ts'

it('a registry that is closed lets go of its storage and its cache', async () => {
  const driver = new FaultyDriver(new MemoryDriver())
  const cache = new MemoryDescriptorCache({ maxEntries: 10 })
  const registry = new StoredRegistry({ driver, cache, policy: DEFAULT_POLICY, log: quiet })
  const source = new CountedSource(parseRepositoryName('a'))
  await cache.find(source, source.put('content'))
  expect(cache.counts.entries).toBe(1)
  await registry.close()
  expect(driver.count('close')).toBe(1)
  expect(cache.counts.entries).toBe(0)
})

it('a cache that cannot be closed does not keep the storage open', async () => {
  const driver = new FaultyDriver(new MemoryDriver())
  const cache = { ...NO_CACHE, close: () => Promise.reject(new Error('the cache is gone')) }
  const registry = new StoredRegistry({ driver, cache, policy: DEFAULT_POLICY, log: quiet })
  await expect(registry.close()).rejects.toThrow('the cache is gone')
  expect(driver.count('close')).toBe(1)
})
