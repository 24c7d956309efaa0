import { expect, it, vi } from 'vitest'
import { quiet } from '../../test/support/http-registry.ts'
import { DEFAULT_POLICY } from '../core/manifest/policy.ts'
import { parseRepositoryName } from '../core/reference.ts'
import { StoredRegistry } from '../registry/registry.ts'
import { MemoryDriver } from '../storage/memory.ts'
import { IndexedRegistry } from './indexed-registry.ts'

it('tells of each request for a repository or the catalog', () => {
  const requested = vi.fn()
  const stored = new StoredRegistry({ driver: new MemoryDriver(), policy: DEFAULT_POLICY, log: quiet })
  const registry = new IndexedRegistry(stored, () => {}, requested)
  registry.repository(parseRepositoryName('a/b'))
  registry.repository(parseRepositoryName('a/b'))
  registry.repositories()
  expect(requested).toHaveBeenCalledTimes(3)
})
