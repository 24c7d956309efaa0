/** The extension API while the database of the index cannot be opened. */
import { mkdir, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { DEFAULT_POLICY } from '../../../src/core/manifest/policy.ts'
import { StoredRegistry } from '../../../src/registry/registry.ts'
import { MemoryDriver } from '../../../src/storage/memory.ts'
import { IndexUnderTest, silent, sqlite } from '../../support/catalog-index.ts'
import { HttpRegistry, refusal } from '../../support/http-registry.ts'
import { gzippedLayer, imageOf } from '../../support/oci-image.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

test('lists by name come from storage, and the rest is refused until it can be opened', async () => {
  await using folder = await temporaryFolder()
  const path = join(folder.path, 'index.sqlite')
  await mkdir(path)
  const driver = new MemoryDriver()
  const stored = new StoredRegistry({ driver, policy: DEFAULT_POLICY, log: silent })
  await using indexed = new IndexUnderTest(stored, sqlite(path))
  indexed.feeder.start()
  await using registry = await HttpRegistry.start({ driver, index: indexed.index })
  const image = imageOf([gzippedLayer([{ path: 'hello' }])])
  for (const name of ['db', 'web/cart', 'web/shop'])
    await registry.client.pushImage(name, { tag: 'v1', image })
  const ask = async (request: string) => {
    const answer = await registry.send(`GET /v2/${request}`)
    return answer.status === 200 ? JSON.parse(answer.body.toString()) : refusal(answer)
  }

  const byStorage = { search: false, complete: false, asOf: null }
  const first = await ask('_entrepot/catalog/repositories?n=2')
  expect(first).toMatchObject({ repositories: [{ name: 'db' }, { name: 'web/cart' }], index: byStorage })
  const namespaces = [{ name: 'db' }, { name: 'web', repositories: 2 }]
  expect(await ask('_entrepot/catalog/namespaces')).toMatchObject({ namespaces, index: byStorage })
  const tags = [{ name: 'v1', digest: image.manifest.descriptor.digest }]
  expect(await ask('db/_entrepot/tags/list?q=1')).toMatchObject({ tags, index: byStorage })
  expect(await ask('none/_entrepot/tags/list')).toBe('404 NAME_UNKNOWN')
  for (const refused of [
    '_entrepot/catalog/tags',
    '_entrepot/catalog/repositories?q=db',
    '_entrepot/catalog/repositories?sort=-pushed',
    'db/_entrepot/tags/list?sort=size',
  ])
    expect([refused, await ask(refused)]).toEqual([refused, '503 UNAVAILABLE'])

  await rmdir(path)
  const state = async () => (await ask('_entrepot/catalog/repositories')).index
  await expect.poll(state, { timeout: 60_000 }).toMatchObject({ search: true, complete: true })
  expect(await ask('_entrepot/catalog/tags?q=web/:')).toMatchObject({ tags: [{}, {}] })
  // A page of storage's is continued by the index.
  const second = await ask(`_entrepot/catalog/repositories?n=2&cursor=${first.next}`)
  expect(second).toMatchObject({ repositories: [{ name: 'web/shop', tags: 1 }], next: null })
})
