import { beforeEach, describe, expect, it } from 'vitest'
import { expectRegistryError, pushBlob, pushManifest } from '../../test/contract/registry/support.ts'
import { quiet } from '../../test/support/http-registry.ts'
import { MemoryDescriptorCache } from '../cache/memory.ts'
import { DEFAULT_POLICY } from '../core/manifest/policy.ts'
import { parseRepositoryName } from '../core/reference.ts'
import type { Repository } from '../core/registry.ts'
import { MemoryDriver } from '../storage/memory.ts'
import { StoredRegistry } from './registry.ts'

/** Another replica ends after it has removed a link, before the other caches are told. The client got no
 *  answer and repeats the request. */
describe('a delete that is repeated after it was cut short', () => {
  let here: Repository
  let dying: Repository
  beforeEach(() => {
    const driver = new MemoryDriver()
    const open = () =>
      new StoredRegistry({
        ...{ driver, policy: DEFAULT_POLICY, log: quiet },
        cache: new MemoryDescriptorCache({ maxEntries: 100 }),
      }).repository(parseRepositoryName('a'))
    here = open()
    dying = open()
  })

  it('lets the cache forget the blob', async () => {
    const digest = await pushBlob(here, 'content')
    await dying.blobs.delete(digest)
    await expectRegistryError(here.blobs.delete(digest), 'BLOB_UNKNOWN')
    expect(await here.blobs.has(digest)).toBe(false)
  })

  it('lets the cache forget the manifest', async () => {
    const digest = await pushManifest(here, 'image')
    await dying.manifests.delete(digest)
    await expectRegistryError(here.manifests.delete(digest), 'MANIFEST_UNKNOWN')
    expect(await here.manifests.exists(digest)).toBe(false)
  })
})
