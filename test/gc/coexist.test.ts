/** Garbage collection on storage that a registry writes to which takes no part in it. That registry is played by its
 *  writes: it reads no state, and goes by what it once knew. */
import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { loadConfig } from '../../src/config/load.ts'
import { Quarantine } from '../../src/core/collection/quarantine.ts'
import { type Digest, digestOf, hexOf } from '../../src/core/digest.ts'
import { StorageError } from '../../src/core/errors.ts'
import type { RepositoryName, Tag } from '../../src/core/reference.ts'
import type { StorageDriver } from '../../src/core/storage-driver.ts'
import type { CollectorOptions } from '../../src/maintenance/gc/collector-options.ts'
import { blobPath, RepositoryPaths } from '../../src/registry/paths.ts'
import { FilesystemDriver } from '../../src/storage/filesystem.ts'
import { MemoryDriver } from '../../src/storage/memory.ts'
import { collectAll } from '../contract/storage-driver/support.ts'
import { FaultyDriver } from '../support/faulty-driver.ts'
import { HttpRegistry } from '../support/http-registry.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { collect, collectorOf, GUARD } from './support.ts'
import { imageOf, type PushedManifest, push } from './untagged-images.ts'

const start = (driver: StorageDriver, options: { coexist?: boolean } = {}) =>
  HttpRegistry.start({ driver, collection: GUARD, coexist: true, ...options })

const coexisting = (registry: HttpRegistry, options: Partial<CollectorOptions> = {}) =>
  collect(registry.registry, { coexist: true, ...options })

const isStored = (driver: StorageDriver, digest: Digest) =>
  driver.stat(blobPath(digest)).then(
    () => true,
    () => false,
  )

const digestsOf = ({ bytes, blobs }: PushedManifest) => [
  digestOf(bytes),
  ...blobs.map((blob) => digestOf(Buffer.from(blob))),
]

/** What Distribution writes for a manifest whose blobs it takes to be there. */
async function pushPlainly(driver: StorageDriver, { bytes }: PushedManifest, tag = 'plain'): Promise<void> {
  const digest = digestOf(bytes)
  const paths = new RepositoryPaths('theirs' as RepositoryName)
  const link = Buffer.from(digest)
  await driver.put(blobPath(digest), bytes)
  await driver.put(`${paths.revisions}/sha256/${hexOf(digest)}/link`, link)
  await driver.put(`${paths.manifests}/tags/${tag as Tag}/current/link`, link)
}

const image = imageOf('image')
const [manifest, config, layer] = digestsOf(image) as [Digest, Digest, Digest]

async function pushBlobs(registry: HttpRegistry): Promise<void> {
  for (const blob of image.blobs) await registry.client.pushBlob('a', Buffer.from(blob))
  await delay(20) // older than the collection, by the storage's clock
}

const kinds = [
  { name: 'memory', open: async () => new MemoryDriver() },
  { name: 'filesystem', open: (root: string) => FilesystemDriver.open({ root }) },
]

for (const { name, open } of kinds) {
  test(`over ${name}: what is collected goes into quarantine, and comes back by the next mark`, async () => {
    await using folder = await temporaryFolder()
    const driver = await open(folder.path)
    await using registry = await start(driver)
    await pushBlobs(registry)
    expect(await coexisting(registry)).toMatchObject({ deletedBlobs: 2, restoredBlobs: 0 })
    expect([await isStored(driver, config), await isStored(driver, layer)]).toEqual([false, false])
    await pushPlainly(driver, image)
    const planned = await coexisting(registry, { dryRun: true })
    expect([planned.restoredBlobs, await isStored(driver, layer)]).toEqual([2, false])
    expect(await coexisting(registry)).toMatchObject({ deletedBlobs: 0, restoredBlobs: 2, findings: [] })
    expect(Buffer.from(await driver.get(blobPath(layer))).toString()).toBe(image.blobs[1])
    expect(await coexisting(registry)).toMatchObject({ restoredBlobs: 0, findings: [] })
  })

  test(`over ${name}: what is acknowledged between mark and sweep is back at the end`, async () => {
    await using folder = await temporaryFolder()
    const driver = await open(folder.path)
    await using registry = await start(driver)
    await pushBlobs(registry)
    const collector = collectorOf(registry.registry, { coexist: true })
    for await (const step of collector.steps()) {
      if ('deleted' in step) await pushPlainly(driver, image)
      await step.run()
    }
    expect(collector.report).toMatchObject({ deletedBlobs: 2, restoredBlobs: 2 })
    for (const digest of digestsOf(image)) expect(await isStored(driver, digest)).toBe(true)
  })
}

test('a collection without quarantine brings back what an earlier one has set aside', async () => {
  const driver = new MemoryDriver()
  await using registry = await start(driver)
  await pushBlobs(registry)
  await coexisting(registry)
  await pushPlainly(driver, image)
  expect(await collect(registry.registry)).toMatchObject({ restoredBlobs: 2 })
  expect(await isStored(driver, layer)).toBe(true)
})

test('a manifest that is in quarantine comes back, and its blobs with it', async () => {
  const driver = new MemoryDriver()
  await using registry = await start(driver)
  await push(registry, 'a', { manifest: image, reference: 'v1' })
  await registry.send(`DELETE /v2/a/manifests/${manifest}`)
  await delay(20)
  expect(await coexisting(registry)).toMatchObject({ deletedBlobs: 3 })
  // A registry with a cache tags it anew, and writes no bytes.
  await pushPlainly(driver, image)
  await driver.delete(blobPath(manifest))
  expect(await coexisting(registry)).toMatchObject({ restoredBlobs: 3, findings: [] })
  for (const digest of digestsOf(image)) expect(await isStored(driver, digest)).toBe(true)
  expect(await coexisting(registry)).toMatchObject({ deletedBlobs: 0, findings: [] })
})

test('a blob is found in quarantine when it is looked for, and put back', async () => {
  const driver = new MemoryDriver()
  await using registry = await start(driver)
  await pushBlobs(registry)
  await coexisting(registry)
  expect((await registry.send(`GET /v2/a/blobs/${layer}`)).body.toString()).toBe(image.blobs[1])
  expect((await registry.send(`HEAD /v2/a/blobs/${config}`)).status).toBe(200)
  expect([await isStored(driver, layer), await isStored(driver, config)]).toEqual([true, true])
  // The copy stays, because a deletion may be on its way.
  expect(await collectAll(new Quarantine(driver).find(layer, 'collected'))).toHaveLength(1)
})

test('without the setting a blob in quarantine is missing', async () => {
  const driver = new MemoryDriver()
  await using registry = await start(driver, { coexist: false })
  await pushBlobs(registry)
  await coexisting(registry)
  expect((await registry.send(`GET /v2/a/blobs/${layer}`)).status).toBe(404)
})

test('a blob that cannot be copied stays', async () => {
  const driver = new FaultyDriver(new MemoryDriver())
  await using registry = await start(driver)
  await pushBlobs(registry)
  driver.fault = ({ method }) =>
    method === 'copy' ? new StorageError('NO_SPACE', { path: '/', message: 'full' }) : undefined
  const collector = collectorOf(registry.registry, { coexist: true })
  const running = async () => {
    for await (const step of collector.steps()) await step.run()
  }
  await expect(running()).rejects.toMatchObject({ code: 'INSUFFICIENT_STORAGE' })
  expect([await isStored(driver, layer), await isStored(driver, config)]).toEqual([true, true])
})

test('what nothing needs leaves the quarantine after thirty days, and what is needed comes back before', async () => {
  const driver = new MemoryDriver()
  await using registry = await start(driver)
  await pushBlobs(registry)
  await coexisting(registry)
  const quarantine = new Quarantine(driver)
  const daysAgo = (days: number) => new Date(Date.now() - days * 24 * 3_600_000)
  for (const [digest, days] of [
    [config, 29],
    [layer, 32],
  ] as const) {
    for await (const { path } of quarantine.find(digest))
      await driver.move(path, quarantine.pathOf(digest, { at: daysAgo(days), reason: 'collected' }))
  }
  await coexisting(registry)
  const kept = async (digest: Digest) => (await collectAll(quarantine.find(digest))).length
  expect([await kept(config), await kept(layer)]).toEqual([1, 0])
  const { path } = (await collectAll(quarantine.find(config)))[0] ?? {}
  await driver.move(path as string, quarantine.pathOf(config, { at: daysAgo(40), reason: 'collected' }))
  await registry.client.pushBlob('a', Buffer.from(image.blobs[1] as string))
  await pushPlainly(driver, image)
  expect(await coexisting(registry)).toMatchObject({ restoredBlobs: 1 })
  expect([await isStored(driver, config), await kept(config)]).toEqual([true, 0])
})

test('untagged manifests are not removed beside a registry that takes no part', async () => {
  await using registry = await start(new MemoryDriver())
  expect(() => collectorOf(registry.registry, { coexist: true, untagged: true })).toThrow('quarantine')
  const env = {
    REGISTRY_STORAGE_MAINTENANCE_GC_COEXIST: 'true',
    REGISTRY_STORAGE_MAINTENANCE_GC_UNTAGGED: 'true',
  }
  expect(() => loadConfig({ path: undefined, env })).toThrow('storage.maintenance.gc.coexist')
})
