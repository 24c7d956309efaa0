import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { NO_CACHE } from '../../src/core/descriptor-cache.ts'
import { type Digest, digestOf } from '../../src/core/digest.ts'
import type { RepositoryName } from '../../src/core/reference.ts'
import { type ExplainOptions, explain } from '../../src/maintenance/gc/explain.ts'
import { verify } from '../../src/maintenance/verify.ts'
import { blobPath, RepositoryPaths } from '../../src/registry/paths.ts'
import { MemoryDriver } from '../../src/storage/memory.ts'
import { HttpRegistry } from '../support/http-registry.ts'
import { collect, GUARD } from './support.ts'
import { imageOf, indexOf, push, referrerOf } from './untagged-images.ts'

const A = 'a' as RepositoryName
const image = imageOf('image')
const index = indexOf(image)
const signature = referrerOf(index, 'signature')
const layer = digestOf(Buffer.from('layer of image'))

async function filled() {
  const driver = new MemoryDriver()
  const registry = await HttpRegistry.start({ driver, collection: GUARD, cache: NO_CACHE })
  await push(registry, 'a', { manifest: image })
  await push(registry, 'a', { manifest: index, reference: 'v1' })
  await push(registry, 'a', { manifest: signature })
  await push(registry, 'b', { manifest: imageOf('untagged') })
  await registry.client.pushBlob('a', Buffer.from('of no manifest'))
  await delay(20)
  const { collectable: content } = registry.registry
  const why = (digest: Digest, options: Partial<ExplainOptions & { repository: RepositoryName }> = {}) =>
    explain({ content, graceMs: 0, untagged: true, ...options }, { digest, repository: options.repository })
  return { driver, registry, content, why }
}

test('what is kept is explained by the shortest way from a tag', async () => {
  const { registry, why } = await filled()
  await using _ = registry
  const [imageDigest, indexDigest] = [digestOf(image.bytes), digestOf(index.bytes)]
  const way = (...names: string[]) => ({ kind: 'kept', way: names })
  expect(await why(indexDigest)).toEqual(way('a:v1', indexDigest))
  expect(await why(imageDigest)).toEqual(way('a:v1', indexDigest, imageDigest))
  expect(await why(layer, { repository: A })).toEqual(way('a:v1', indexDigest, imageDigest, layer))
  const ofSignature = digestOf(Buffer.from('layer of signature'))
  expect(await why(ofSignature)).toEqual(way('a:v1', indexDigest, digestOf(signature.bytes), ofSignature))
  const untagged = digestOf(imageOf('untagged').bytes)
  expect(await why(untagged, { untagged: false })).toEqual(way('b, without a tag', untagged))
  // A shorter way wins.
  await push(registry, 'b', { manifest: image, reference: 'direct' })
  expect(await why(layer)).toEqual(way('b:direct', imageDigest, layer))
})

test('what nothing keeps goes once it is old enough, and is what a collection deletes', async () => {
  const { registry, why } = await filled()
  await using _ = registry
  const garbage = digestOf(Buffer.from('of no manifest'))
  const found = await why(garbage, { graceMs: 3_600_000 })
  expect(found).toMatchObject({ kind: 'unkept', bytes: 14 })
  const minutes = found.kind === 'unkept' ? (found.from.getTime() - Date.now()) / 60_000 : 0
  expect(Math.round(minutes)).toBe(60)
  const untagged = digestOf(imageOf('untagged').bytes)
  expect((await why(untagged)).kind).toBe('unkept')
  expect((await why(digestOf(Buffer.from('never pushed')))).kind).toBe('absent')
  expect((await why(untagged, { repository: A })).kind).toBe('absent')
  const report = await collect(registry.registry, { untagged: true })
  expect(report.removed).toHaveLength(1)
  expect((await why(garbage)).kind).toBe('absent')
  expect((await why(untagged)).kind).toBe('absent')
})

test('a report says how many bytes only a removed manifest holds', async () => {
  const { registry } = await filled()
  await using _ = registry
  const shared = imageOf('untagged')
  await push(registry, 'c', { manifest: imageOf('other') })
  for (const dryRun of [true, false]) {
    const { removed } = await collect(registry.registry, { untagged: true, dryRun })
    const bytes = ['untagged', 'other'].map(
      (name) => imageOf(name).bytes.length + imageOf(name).blobs.join('').length,
    )
    expect(removed).toEqual([
      { repository: 'b', digest: digestOf(shared.bytes), bytes: bytes[0] },
      { repository: 'c', digest: digestOf(imageOf('other').bytes), bytes: bytes[1] },
    ])
  }
})

test('an image is verified with all that it needs', async () => {
  const { registry, content, driver } = await filled()
  await using _ = registry
  expect(await verify({ content, repository: A, tag: 'v1' })).toMatchObject({
    manifests: 2,
    blobs: 2,
    findings: [],
  })
  expect(await verify({ content, repository: A })).toMatchObject({ manifests: 3, blobs: 4, findings: [] })
  await driver.put(blobPath(layer), Buffer.from('layer of imagE'))
  expect((await verify({ content, repository: A })).findings).toMatchObject([
    { name: layer, problem: 'its bytes are damaged' },
  ])
  await driver.delete(blobPath(layer))
  expect((await verify({ content, repository: A, tag: 'v1' })).findings).toMatchObject([
    { name: layer, problem: 'its bytes are missing' },
  ])
  await driver.delete(`${new RepositoryPaths(A).layers}/sha256/${layer.slice(7)}`)
  expect((await verify({ content, repository: A, tag: 'v1' })).findings).toMatchObject([
    { name: digestOf(image.bytes), problem: `needs ${layer}, which the repository does not have` },
  ])
  await driver.put(blobPath(digestOf(index.bytes)), Buffer.from('damaged'))
  expect((await verify({ content, repository: A, tag: 'v1' })).findings).toMatchObject([
    { name: digestOf(index.bytes), problem: 'its bytes are damaged' },
  ])
  expect((await verify({ content, repository: A, tag: 'v2' })).findings).toMatchObject([
    { name: 'tag v2', problem: 'there is no such tag' },
  ])
})
