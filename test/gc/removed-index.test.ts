/** An index is removed while it is pushed, and another push links it again before the first is acknowledged. */
import { expect, test } from 'vitest'
import { NO_CACHE } from '../../src/core/descriptor-cache.ts'
import { digestOf } from '../../src/core/digest.ts'
import { RegistryError } from '../../src/core/errors.ts'
import { parseManifest } from '../../src/core/manifest/parse.ts'
import type { RepositoryName, Tag } from '../../src/core/reference.ts'
import { RepositoryPaths } from '../../src/registry/paths.ts'
import { MemoryDriver } from '../../src/storage/memory.ts'
import { HttpRegistry } from '../support/http-registry.ts'
import { GUARD } from './support.ts'
import { imageOf, indexOf, type PushedManifest, push } from './untagged-images.ts'

const NAME = 'team/app' as RepositoryName
const child = imageOf('child')
const index = indexOf(child)
const doomed = ({ bytes }: PushedManifest) => ({
  manifest: { digest: digestOf(bytes), linkedAt: new Date(0), aliases: [] },
  subject: undefined,
})

/** @param removed what a collector has removed before the push sets its tag
 *  @returns whether the push was acknowledged, and what the collector can remove then */
async function tagBeside(removed: readonly PushedManifest[]) {
  const driver = new MemoryDriver()
  await using http = await HttpRegistry.start({ driver, collection: GUARD, cache: NO_CACHE })
  for (const manifest of [child, index]) await push(http, NAME, { manifest })
  const { manifests, tags } = http.registry.repository(NAME)
  const pushed = await manifests.put(parseManifest(index.bytes, index.type))
  const condemnation = await http.registry.collectable.condemn(NAME, {
    manifests: [child, index].map(({ bytes }) => digestOf(bytes)),
    requireTenure: async () => {},
  })
  for (const manifest of removed) expect(await condemnation.remove([doomed(manifest)])).toHaveLength(1)
  const link = `${new RepositoryPaths(NAME).revisions}/${digestOf(index.bytes).replace(':', '/')}/link`
  await driver.put(link, Buffer.from(digestOf(index.bytes)))
  const refusal = await tags.tag('v1' as Tag, pushed).catch((error) => error)
  return {
    refusal,
    removedLater: await condemnation.remove([doomed(child)]),
    tags: await namesOf(tags.all()),
  }
}

async function namesOf(tags: AsyncIterable<Tag>): Promise<Tag[]> {
  const names: Tag[] = []
  for await (const tag of tags) names.push(tag)
  return names
}

test('its children are not removed any more once it has a tag', async () => {
  expect(await tagBeside([index])).toEqual({ refusal: undefined, removedLater: [], tags: ['v1'] })
})

test('it gets no tag if a child is gone', async () => {
  const { refusal, tags } = await tagBeside([index, child])
  expect(refusal).toBeInstanceOf(RegistryError)
  expect([refusal.code, tags]).toEqual(['MANIFEST_UNKNOWN', []])
})
