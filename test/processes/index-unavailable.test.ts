/** A registry whose index cannot be opened serves, and searches as soon as it can be. */
import { mkdir, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startEntrepot } from '../support/entrepot-process.ts'
import { gzippedLayer, imageOf } from '../support/oci-image.ts'
import { RegistryClient } from '../support/registry-client.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

test.each([1, 2])('%i processes', async (workers) => {
  await using folder = await temporaryFolder()
  const path = join(folder.path, 'index.sqlite')
  await mkdir(path)
  await using registry = await startEntrepot({
    ...{ dataFolder: join(folder.path, 'data'), configFolder: folder.path },
    config: { index: { path }, http: { addr: '127.0.0.1:0', secret: 'one for all', workers } },
  })
  const search = () => fetch(`${registry.url}/v2/_entrepot/catalog/tags?q=v1`)
  const client = new RegistryClient(registry.url)
  const image = imageOf([gzippedLayer([{ path: 'hello', content: 'world' }])])
  for (const repository of ['before', 'again']) {
    await client.pushImage(repository, { tag: 'v1', image })
    expect(await client.manifest(repository, 'v1')).toEqual(image.manifest.bytes)
    expect((await fetch(`${registry.url}/readyz`)).status).toBe(200)
    const refused = await search()
    expect([refused.status, refused.headers.get('retry-after')]).toEqual([503, '1'])
    expect(await refused.json()).toEqual({
      errors: [{ code: 'UNAVAILABLE', message: 'the index is not available' }],
    })
  }

  await rmdir(path)
  const found = async () => {
    const answer = await search()
    const { tags = [] } = (await answer.json()) as { tags?: { repository: string }[] }
    return tags.map(({ repository }) => repository).sort()
  }
  await expect.poll(found, { timeout: 60_000 }).toEqual(['again', 'before'])
  await client.pushImage('after', { tag: 'v1', image })
  await expect.poll(found, { timeout: 10_000 }).toEqual(['after', 'again', 'before'])
  expect(await registry.stop()).toBe(0)
})
