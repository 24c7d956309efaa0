import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { MemoryDescriptorCache } from '../../src/cache/memory.ts'
import { NO_CACHE } from '../../src/core/descriptor-cache.ts'
import { digestOf } from '../../src/core/digest.ts'
import { StorageError } from '../../src/core/errors.ts'
import { parseManifest } from '../../src/core/manifest/parse.ts'
import type { RepositoryName, Tag } from '../../src/core/reference.ts'
import type { StorageDriver } from '../../src/core/storage-driver.ts'
import type { CollectorOptions } from '../../src/maintenance/gc/collector-options.ts'
import { CollectionGuard } from '../../src/registry/collection/collection-guard.ts'
import { blobPath } from '../../src/registry/paths.ts'
import { FilesystemDriver } from '../../src/storage/filesystem.ts'
import { MemoryDriver } from '../../src/storage/memory.ts'
import { HttpRegistry } from '../support/http-registry.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { collect, collectorOf, GUARD } from './support.ts'
import { imageOf, indexOf, isThere, type PushedManifest, push, put, referrerOf } from './untagged-images.ts'

const start = (driver: StorageDriver) => HttpRegistry.start({ driver, collection: GUARD, cache: NO_CACHE })

/** What is pushed next is younger than a collection that begins after this. */
const tick = () => delay(20)

const untag = (registry: HttpRegistry, repository: string, tag: string) =>
  registry.send(`DELETE /v2/${repository}/manifests/${tag}`)

const remove = (registry: HttpRegistry, options: Partial<CollectorOptions> = {}) =>
  collect(registry.registry, { untagged: true, ...options })

/** A driver that does something before the calls of a method. */
function before(
  driver: StorageDriver,
  method: keyof StorageDriver,
  work: () => Promise<void>,
): StorageDriver {
  return new Proxy(driver, {
    get(target, name) {
      const found: unknown = Reflect.get(target, name, target)
      if (typeof found !== 'function') return found
      if (name !== method) return found.bind(target)
      return async (...parameters: unknown[]) => {
        await work()
        return found.apply(target, parameters)
      }
    },
  })
}

const child = imageOf('child')
const index = indexOf(child, imageOf('other child'))
const indexSignature = referrerOf(index, 'signature of the index')
const childSignature = referrerOf(child, 'signature of the child')
const signatureOfSignature = referrerOf(childSignature, 'signature of a signature')
const all = [child, imageOf('other child'), index, indexSignature, childSignature, signatureOfSignature]

async function pushIndex(registry: HttpRegistry, repository: string, tag: string): Promise<void> {
  for (const manifest of all) await push(registry, repository, { manifest })
  expect((await put(registry, repository, { manifest: index, reference: tag })).status).toBe(201)
}

async function thereOf(registry: HttpRegistry, repository: string, some: readonly PushedManifest[]) {
  return Promise.all(some.map((manifest) => isThere(registry, repository, manifest)))
}

const folder = await temporaryFolder()
const kinds = [
  { name: 'memory', open: async () => new MemoryDriver() as StorageDriver },
  { name: 'a folder', open: () => FilesystemDriver.open({ root: `${folder.path}/data` }) },
]

for (const { name, open } of kinds) {
  test(`over ${name}: manifests go that no tag keeps, no index and no subject`, async () => {
    const driver = await open()
    await using registry = await start(driver)
    for (const repository of ['a', 'a/b', 'tags']) await pushIndex(registry, repository, 'v1')
    await push(registry, 'a', { manifest: imageOf('untagged') })
    await push(registry, 'a', { manifest: imageOf('moved'), reference: 'latest' })
    await push(registry, 'a', { manifest: imageOf('newer'), reference: 'latest' })
    await untag(registry, 'a/b', 'v1')
    await tick()
    const planned = await remove(registry, { dryRun: true })
    const report = await remove(registry)
    expect(report).toEqual(planned)
    expect(report).toMatchObject({ removedManifests: 2 + all.length, findings: [] })
    expect(await thereOf(registry, 'a', [...all, imageOf('newer')])).not.toContain(false)
    expect(await thereOf(registry, 'tags', all)).not.toContain(false)
    expect(await thereOf(registry, 'a/b', all)).not.toContain(true)
    expect(await thereOf(registry, 'a', [imageOf('untagged'), imageOf('moved')])).toEqual([false, false])
    // The bytes are needed by other repositories, or are gone.
    const gone = digestOf(imageOf('untagged').bytes)
    await expect(driver.stat(blobPath(gone))).rejects.toMatchObject({ code: 'PATH_NOT_FOUND' })
    const referrers = await registry.send(`GET /v2/a/b/referrers/${digestOf(index.bytes)}`)
    expect(JSON.parse(referrers.body.toString()).manifests).toEqual([])
    await pushIndex(registry, 'a/b', 'v2')
    expect(await remove(registry)).toMatchObject({ removedManifests: 0, deletedBlobs: 0 })
    expect(await thereOf(registry, 'a/b', all)).not.toContain(false)
  })
}

test('nothing is removed without the option, nor what is young', async () => {
  await using registry = await start(new MemoryDriver())
  await push(registry, 'a', { manifest: imageOf('untagged') })
  await tick()
  expect((await collect(registry.registry)).removedManifests).toBe(0)
  expect((await remove(registry, { graceMs: 60_000 })).removedManifests).toBe(0)
  expect((await remove(registry)).removedManifests).toBe(1)
})

test('a signature keeps no image, and goes with it unless it has a tag of its own', async () => {
  await using registry = await start(new MemoryDriver())
  const image = imageOf('image')
  const [signature, tagged] = [referrerOf(image, 'signature'), referrerOf(image, 'tagged')]
  await push(registry, 'a', { manifest: image })
  await push(registry, 'a', { manifest: tagged, reference: 'signature' })
  await push(registry, 'a', { manifest: signature })
  await tick()
  expect((await remove(registry)).removedManifests).toBe(2)
  expect(await thereOf(registry, 'a', [image, signature, tagged])).toEqual([false, false, true])
})

test('a manifest that is named by sha512 goes with that name', async () => {
  const driver = new MemoryDriver()
  await using registry = await start(driver)
  const manifest = imageOf('sha512')
  const name = digestOf(manifest.bytes, 'sha512')
  await push(registry, 'a', { manifest, reference: name })
  const referrer = referrerOf(manifest, 'about it')
  await push(registry, 'a', { manifest: referrer })
  await push(registry, 'a', { manifest, reference: 'kept' })
  await tick()
  expect((await remove(registry)).removedManifests).toBe(0)
  await untag(registry, 'a', 'kept')
  expect((await remove(registry)).removedManifests).toBe(2)
  expect((await registry.send(`GET /v2/a/manifests/${name}`)).status).toBe(404)
})

test('if a manifest cannot be read, its repository keeps them all', async () => {
  const driver = new MemoryDriver()
  await using registry = await start(driver)
  for (const name of ['damaged', 'untagged']) await push(registry, 'a', { manifest: imageOf(name) })
  await push(registry, 'b', { manifest: imageOf('untagged') })
  await driver.put(blobPath(digestOf(imageOf('damaged').bytes)), Buffer.from('damaged'))
  await tick()
  const report = await remove(registry)
  expect(report.removedManifests).toBe(1)
  expect(report.findings).toHaveLength(1)
  expect(await isThere(registry, 'a', imageOf('untagged'))).toBe(true)
})

/** The calls of a removal between which a push can come: before it condemns, before it removes, and while it does. */
const moments = [
  { name: 'before manifests are condemned', method: 'swapState', at: 4 },
  { name: 'before they are removed', method: 'openFence', at: 2 },
  { name: 'while they are removed', method: 'deleteFenced', at: 1 },
  { name: 'once some are removed', method: 'closeFence', at: 2 },
] as const

for (const { name, method, at } of moments) {
  test(`a tag that is pushed ${name} wins, with all that it needs`, async () => {
    const driver = new MemoryDriver()
    await using registry = await start(driver)
    await pushIndex(registry, 'a', 'v1')
    await untag(registry, 'a', 'v1')
    await tick()
    let calls = 0
    let pushing: Promise<void> | undefined
    // As clients do: what is refused is pushed again, whole.
    const pushAgain = async () => {
      for (;;) {
        const { status } = await put(registry, 'a', { manifest: index, reference: 'v2' })
        if (status === 201) return
        expect([400, 503]).toContain(status)
        for (const manifest of [child, imageOf('other child')]) await push(registry, 'a', { manifest })
      }
    }
    const collecting = before(driver, method, async () => {
      if (++calls !== at) return
      pushing = pushAgain()
      // It may have to wait until the removal has come to its end.
      await Promise.race([pushing, delay(300)])
    })
    await using collector = await start(collecting)
    await remove(collector)
    expect(calls).toBeGreaterThanOrEqual(at)
    await pushing
    expect(await thereOf(registry, 'a', [index, child, imageOf('other child')])).toEqual([true, true, true])
    for (const blob of [...child.blobs, ...imageOf('other child').blobs])
      expect((await registry.send(`GET /v2/a/blobs/${digestOf(Buffer.from(blob))}`)).status).toBe(200)
  })
}

test('a tag that is written once its manifest was condemned wins, though nothing was collected when that was pushed', async () => {
  const driver = new MemoryDriver()
  await using registry = await start(driver)
  await pushIndex(registry, 'a', 'v1')
  await untag(registry, 'a', 'v1')
  const { manifests, tags } = registry.registry.repository('a' as RepositoryName)
  const stored = await manifests.put(parseManifest(index.bytes, index.type))
  await tick()
  let fences = 0
  const collecting = before(driver, 'openFence', async () => {
    if (++fences === 2) await tags.tag('v2' as Tag, stored)
  })
  await using collector = await start(collecting)
  expect((await remove(collector)).removedManifests).toBe(0)
  expect(await thereOf(registry, 'a', all)).not.toContain(false)
})

test('a manifest that is pushed again by its digest while a collection runs stays for the grace period', async () => {
  const driver = new MemoryDriver()
  await using registry = await start(driver)
  const manifest = imageOf('again')
  await push(registry, 'a', { manifest })
  await push(registry, 'a', { manifest: imageOf('not again') })
  await tick()
  let fences = 0
  const collecting = before(driver, 'openFence', async () => {
    if (++fences === 2) await push(registry, 'a', { manifest })
  })
  await using collector = await start(collecting)
  expect((await remove(collector)).removedManifests).toBe(1)
  expect(await thereOf(registry, 'a', [manifest, imageOf('not again')])).toEqual([true, false])
})

test('what takes longer than its fence stays, is reported, and goes with the next collection', async () => {
  let isLate = true
  const driver = before(new MemoryDriver(), 'deleteFenced', async () => {
    if (isLate) throw new StorageError('FENCE_CLOSED', { path: '/' })
  })
  await using registry = await start(driver)
  const untagged = imageOf('untagged')
  await push(registry, 'a', { manifest: untagged })
  await tick()
  expect(await remove(registry)).toMatchObject({ removedManifests: 0, postponedManifests: 1 })
  isLate = false
  expect(await remove(registry)).toMatchObject({ removedManifests: 1, postponedManifests: 0 })
  expect(await isThere(registry, 'a', untagged)).toBe(false)
})

test('a collector that was replaced removes nothing any more', async () => {
  const driver = new MemoryDriver()
  await using registry = await start(driver)
  await push(registry, 'a', { manifest: imageOf('untagged') })
  await tick()
  const timing = { leaseMs: 100, beatMs: 1_000_000, settleMs: 0 }
  let fences = 0
  const stalling = before(driver, 'openFence', async () => {
    if (++fences !== 2) return
    // It has condemned, and stands still: another one takes its place, and a push comes.
    expect((await remove(registry, { timing, graceMs: 60_000 })).removedManifests).toBe(0)
    await push(registry, 'a', { manifest: imageOf('untagged'), reference: 'v1' })
  })
  await using stalled = await start(stalling)
  const steps = collectorOf(stalled.registry, { untagged: true, timing }).steps()
  const { value } = await steps.next()
  await value?.run().catch(() => undefined)
  await expect(steps.next()).rejects.toMatchObject({ name: 'CollectorReplaced' })
  expect(await isThere(registry, 'a', imageOf('untagged'))).toBe(true)
})

test('a replica with a cache of its own forgets manifests that another process has removed', async () => {
  const driver = new MemoryDriver()
  const cache = new MemoryDescriptorCache({ maxEntries: 100 })
  await using replica = await HttpRegistry.start({ driver, cache, collection: GUARD })
  const guard = new CollectionGuard(driver, GUARD)
  guard.watch((digest) => cache.evictContent(digest), 20)
  await using collecting = await start(driver)
  await push(replica, 'a', { manifest: imageOf('untagged') })
  // Its bytes stay.
  await push(replica, 'b', { manifest: imageOf('untagged'), reference: 'v1' })
  await tick()
  expect((await remove(collecting)).removedManifests).toBe(1)
  await expect.poll(() => isThere(replica, 'a', imageOf('untagged'))).toBe(false)
  expect(await isThere(replica, 'b', imageOf('untagged'))).toBe(true)
  await guard.close()
})

test('pushes that tag cost one small read more while nothing is collected', async () => {
  const calls: string[] = []
  const driver = new Proxy(new MemoryDriver(), {
    get(target, name) {
      const found: unknown = Reflect.get(target, name, target)
      if (typeof found !== 'function') return found
      return (...parameters: unknown[]) => {
        if (name === 'getState') calls.push(String(parameters[0]))
        return found.apply(target, parameters)
      }
    },
  })
  await using registry = await start(driver)
  await push(registry, 'a', { manifest: imageOf('first'), reference: 'v1' })
  await remove(registry)
  await push(registry, 'a', { manifest: imageOf('first'), reference: 'v1' })
  for (const manifest of [imageOf('second')])
    for (const blob of manifest.blobs) await registry.client.pushBlob('a', Buffer.from(blob))
  calls.length = 0
  expect((await put(registry, 'a', { manifest: imageOf('second'), reference: 'v2' })).status).toBe(201)
  expect(calls.map((path) => path.split('/').at(-1))).toEqual(['state', 'deletions'])
})
