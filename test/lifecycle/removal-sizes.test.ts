/** The bytes that nothing has once retention has removed its tags. */
import { expect, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { MediaType } from '../../src/core/media-type.ts'
import { Retention, type TagVerdict } from '../../src/lifecycle/retention/retention.ts'
import { MemoryDriver } from '../../src/storage/memory.ts'
import { blobPath } from '../contract/registry/support.ts'
import { imageOf, indexOf, type PushedManifest, push, put } from '../gc/untagged-images.ts'
import { HttpRegistry } from '../support/http-registry.ts'
import { descriptorOf, imageJson, payloadOf } from '../support/manifest-json.ts'

const BASE = 'a layer that many images have'

/** An image with a layer of its own and one that others have too. */
function imageOnBase(name: string): PushedManifest {
  const blobs = [`config of ${name}`, `layer of ${name}`, BASE]
  const [config, ...layers] = blobs.map((blob) => descriptorOf(blob))
  const bytes = Buffer.from(payloadOf(imageJson({ config, layers })))
  return { bytes, type: MediaType.ociManifest, blobs }
}

const sizeOf = ({ bytes, blobs }: PushedManifest) =>
  bytes.length + blobs.reduce((sum, blob) => sum + Buffer.byteLength(blob), 0)
const withoutBase = (image: PushedManifest) => sizeOf(image) - BASE.length

/** Tags that begin with `old` go, of every repository of the team. */
async function measure({ registry }: HttpRegistry) {
  const rules = [{ repositories: ['team/*'], tags: ['old*'], delete: { olderthan: 0 } }]
  const retention = new Retention({ registry, rules, immutable: [], measures: true })
  const verdicts: TagVerdict[] = []
  for await (const _ of retention.steps((verdict) => verdicts.push(verdict))) {
    // Nothing is removed.
  }
  const bytes = Object.fromEntries(
    verdicts.map((verdict) => [`${verdict.repository}:${verdict.entry.tag}`, verdict.bytes]),
  )
  const { bytes: total, unreadable } = retention.report
  return { bytes, total, unreadable }
}

test('content that several tags have counts once in the total, and for none of them', async () => {
  await using registry = await HttpRegistry.start()
  const [one, two, three] = [imageOnBase('one'), imageOnBase('two'), imageOf('three')]
  await push(registry, 'team/a', { manifest: one, reference: 'old-1' })
  await push(registry, 'team/b', { manifest: two, reference: 'old-2' })
  for (const reference of ['old-3', 'old-4']) await push(registry, 'team/a', { manifest: three, reference })
  expect(await measure(registry)).toEqual({
    bytes: {
      'team/a:old-1': withoutBase(one),
      'team/a:old-3': 0,
      'team/a:old-4': 0,
      'team/b:old-2': withoutBase(two),
    },
    total: withoutBase(one) + withoutBase(two) + BASE.length + sizeOf(three),
    unreadable: 0,
  })
})

test('what a tag has that stays does not count, also in a repository that no rule is for', async () => {
  await using registry = await HttpRegistry.start()
  const [old, kept, copied] = [imageOnBase('old'), imageOnBase('kept'), imageOf('copied')]
  await push(registry, 'team/a', { manifest: old, reference: 'old-1' })
  await push(registry, 'team/b', { manifest: kept, reference: 'v1' })
  await push(registry, 'team/a', { manifest: copied, reference: 'old-2' })
  await push(registry, 'elsewhere', { manifest: copied, reference: 'old-2' })
  expect(await measure(registry)).toEqual({
    bytes: { 'team/a:old-1': withoutBase(old), 'team/a:old-2': 0, 'team/b:v1': undefined },
    total: withoutBase(old),
    unreadable: 0,
  })
})

test('an index has its children, and shares those that a tag names or another index lists', async () => {
  await using registry = await HttpRegistry.start()
  const [own, named, listed] = [imageOnBase('own'), imageOf('named'), imageOf('listed')]
  for (const manifest of [own, named, listed]) await push(registry, 'team/a', { manifest })
  const index = indexOf(own, named, listed)
  await put(registry, 'team/a', { manifest: index, reference: 'old-1' })
  await put(registry, 'team/a', { manifest: named, reference: 'v1' })
  await put(registry, 'team/a', { manifest: indexOf(listed), reference: 'v2' })
  const { bytes, total } = await measure(registry)
  expect(bytes['team/a:old-1']).toBe(index.bytes.length + sizeOf(own))
  expect(total).toBe(index.bytes.length + sizeOf(own))
})

test('manifests that are gone or damaged have nothing, and are told of', async () => {
  const driver = new MemoryDriver()
  await using registry = await HttpRegistry.start({ driver })
  const [gone, damaged, other] = [imageOf('gone'), imageOf('damaged'), imageOf('other')]
  for (const [reference, manifest] of Object.entries({ 'old-1': gone, v1: damaged, 'old-2': other }))
    await push(registry, 'team/a', { manifest, reference })
  await driver.delete(blobPath(digestOf(gone.bytes)))
  await driver.put(blobPath(digestOf(damaged.bytes)), Buffer.from('{'))
  await using restarted = await HttpRegistry.start({ driver })
  expect(await measure(restarted)).toMatchObject({
    bytes: { 'team/a:old-1': 0, 'team/a:old-2': sizeOf(other) },
    total: sizeOf(other),
    unreadable: 2,
  })
})

test('if no tag goes no manifest is read', async () => {
  const driver = new MemoryDriver()
  await using registry = await HttpRegistry.start({ driver })
  const image = imageOf('image')
  await push(registry, 'team/a', { manifest: image, reference: 'v1' })
  await driver.put(blobPath(digestOf(image.bytes)), Buffer.from('{'))
  await using restarted = await HttpRegistry.start({ driver })
  expect(await measure(restarted)).toMatchObject({ total: 0, unreadable: 0 })
})
