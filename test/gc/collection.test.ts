import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { MemoryDescriptorCache } from '../../src/cache/memory.ts'
import { COLLECTIONS } from '../../src/core/collection/collection-state.ts'
import { NO_CACHE } from '../../src/core/descriptor-cache.ts'
import { digestOf } from '../../src/core/digest.ts'
import { MediaType } from '../../src/core/media-type.ts'
import type { StorageDriver } from '../../src/core/storage-driver.ts'
import { CollectionGuard } from '../../src/registry/collection/collection-guard.ts'
import { blobPath } from '../../src/registry/paths.ts'
import { FilesystemDriver } from '../../src/storage/filesystem.ts'
import { MemoryDriver } from '../../src/storage/memory.ts'
import { stallingDriver } from '../crash/gc/stalling-driver.ts'
import { FaultyDriver } from '../support/faulty-driver.ts'
import { HttpRegistry, refusal } from '../support/http-registry.ts'
import { descriptorOf, imageJson, indexJson, payloadOf } from '../support/manifest-json.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { collect, collectorOf, GUARD } from './support.ts'

const start = (driver: StorageDriver) => HttpRegistry.start({ driver, collection: GUARD })

const imageOf = (name: string) =>
  Buffer.from(
    payloadOf(
      imageJson({
        config: descriptorOf(`config of ${name}`),
        layers: [descriptorOf('shared'), descriptorOf(`layer of ${name}`)],
      }),
    ),
  )

async function pushBlobs(registry: HttpRegistry, repository: string, name: string) {
  for (const blob of [`config of ${name}`, 'shared', `layer of ${name}`])
    await registry.client.pushBlob(repository, Buffer.from(blob))
}

const putManifest = (
  registry: HttpRegistry,
  repository: string,
  reference: string,
  body: Buffer,
  type: string = MediaType.ociManifest,
) =>
  registry.send(`PUT /v2/${repository}/manifests/${reference}`, { headers: { 'content-type': type }, body })

async function push(registry: HttpRegistry, repository: string, name: string) {
  await pushBlobs(registry, repository, name)
  expect((await putManifest(registry, repository, name, imageOf(name))).status).toBe(201)
}

const isStored = (driver: StorageDriver, bytes: Buffer | string) =>
  driver.stat(blobPath(digestOf(Buffer.from(bytes)))).then(
    () => true,
    () => false,
  )

/** A store that counts in seconds must not find what was just pushed as old as the collection. */
const tick = () => delay(20)

async function kinds(): Promise<{ name: string; driver: StorageDriver; remove: () => Promise<void> }[]> {
  const folder = await temporaryFolder()
  return [
    { name: 'memory', driver: new MemoryDriver(), remove: async () => {} },
    {
      name: 'filesystem',
      driver: await FilesystemDriver.open({ root: folder.path }),
      remove: () => folder.remove(),
    },
  ]
}

for (const { name, driver, remove } of await kinds()) {
  test(`over ${name}: what no manifest names is deleted, and all else stays`, async () => {
    await using registry = await start(driver)
    await push(registry, 'a', 'kept')
    await push(registry, 'b/c', 'deleted')
    await push(registry, 'tags', 'in-tags')
    await registry.client.pushBlob('a', Buffer.from('of no manifest'))
    const manifests = [descriptorOf(imageOf('kept').toString(), { mediaType: MediaType.ociManifest })]
    const index = Buffer.from(payloadOf(indexJson({ manifests })))
    expect((await putManifest(registry, 'a', 'index', index, MediaType.ociIndex)).status).toBe(201)
    expect((await registry.send(`DELETE /v2/b/c/manifests/${digestOf(imageOf('deleted'))}`)).status).toBe(202)
    await tick()
    const planned = await collect(registry.registry, { dryRun: true })
    expect(await isStored(driver, 'of no manifest')).toBe(true)
    const report = await collect(registry.registry)
    expect(report).toEqual(planned)
    expect([report.deletedBlobs, report.findings]).toEqual([4, []])
    for (const gone of ['of no manifest', 'config of deleted', 'layer of deleted', imageOf('deleted')])
      expect([String(gone).slice(0, 20), await isStored(driver, gone)]).toEqual([
        String(gone).slice(0, 20),
        false,
      ])
    for (const image of ['kept', 'in-tags']) {
      for (const kept of [`config of ${image}`, 'shared', `layer of ${image}`, imageOf(image)])
        expect([String(kept).slice(0, 20), await isStored(driver, kept)]).toEqual([
          String(kept).slice(0, 20),
          true,
        ])
    }
    expect((await registry.send(`HEAD /v2/a/blobs/${digestOf(Buffer.from('of no manifest'))}`)).status).toBe(
      404,
    )
    await push(registry, 'b/c', 'deleted')
    expect((await collect(registry.registry)).deletedBlobs).toBe(0)
    await remove()
  })
}

test('what is younger than the grace period stays', async () => {
  const driver = new MemoryDriver()
  await using registry = await start(driver)
  await registry.client.pushBlob('a', Buffer.from('young'))
  await tick()
  expect((await collect(registry.registry, { graceMs: 3_600_000 })).deletedBlobs).toBe(0)
  expect((await collect(registry.registry)).deletedBlobs).toBe(1)
})

test('a manifest that cannot be read keeps all blobs of its repository, and is reported', async () => {
  const driver = new MemoryDriver()
  await using registry = await start(driver)
  await push(registry, 'a', 'one')
  await push(registry, 'b', 'two')
  await registry.client.pushBlob('a', Buffer.from('in a'))
  await registry.client.pushBlob('b', Buffer.from('in b'))
  await driver.put(blobPath(digestOf(imageOf('one'))), Buffer.from('damaged'))
  await tick()
  const report = await collect(registry.registry)
  expect(report.findings).toEqual([
    { repository: 'a', manifest: digestOf(imageOf('one')), reason: 'its bytes are damaged' },
  ])
  expect(report.deletedBlobs).toBe(1)
  expect(await isStored(driver, 'in a')).toBe(true)
  expect(await isStored(driver, 'layer of one')).toBe(true)
})

test('nothing is deleted if something cannot be listed or read', async () => {
  const memory = new MemoryDriver()
  const driver = new FaultyDriver(memory)
  await using registry = await start(driver)
  await push(registry, 'a', 'one')
  await registry.client.pushBlob('a', Buffer.from('garbage'))
  await tick()
  const { StorageError } = await import('../../src/core/errors.ts')
  for (const method of ['scan', 'get', 'list', 'openFence', 'swapState'] as const) {
    driver.fault = (call) =>
      call.method === method ? new StorageError('BACKEND_FAILED', { path: call.path }) : undefined
    await expect(collect(registry.registry)).rejects.toThrow()
    driver.fault = () => undefined
    expect([method, await isStored(memory, 'garbage')]).toEqual([method, true])
  }
  expect((await collect(registry.registry)).deletedBlobs).toBe(1)
})

test('while nothing is collected a push costs one small read more', async () => {
  const calls = async (collection: boolean) => {
    const driver = new FaultyDriver(new MemoryDriver())
    await using registry = await HttpRegistry.start({ driver, collection })
    await push(registry, 'a', 'first')
    driver.forget()
    await push(registry, 'a', 'second')
    return driver.calls
      .map(({ method, path }) => `${method} ${path.split('/').at(-1)}`)
      .filter((call) => call.startsWith('get') || call.startsWith('stat'))
  }
  const without = await calls(false)
  const more = [...(await calls(true))]
  for (const call of without) more.splice(more.indexOf(call), 1)
  expect(more).toEqual(['getState state'])
})

test('a push that comes between the lists and the deletion keeps what it needs', async () => {
  const driver = new MemoryDriver()
  await using registry = await start(driver)
  await pushBlobs(registry, 'a', 'late')
  await pushBlobs(registry, 'a', 'never')
  await tick()
  const collector = collectorOf(registry.registry)
  const steps = collector.steps()
  const first = await steps.next()
  // The lists are written and nothing is deleted yet.
  expect(await isStored(driver, 'layer of late')).toBe(true)
  expect((await putManifest(registry, 'a', 'late', imageOf('late'))).status).toBe(201)
  await first.value?.run()
  await steps.next()
  expect(await isStored(driver, 'layer of never')).toBe(false)
  for (const kept of ['config of late', 'shared', 'layer of late', imageOf('late')])
    expect(await isStored(driver, kept)).toBe(true)
  expect(collector.report).toMatchObject({ deletedBlobs: 2, rescuedBlobs: 3 })
})

test('a push that was cut off from a deletion is refused, and goes through once it is repeated', async () => {
  const driver = new MemoryDriver()
  await using replica = await HttpRegistry.start({ driver, collection: true })
  await using registry = await start(driver)
  await pushBlobs(replica, 'a', 'one')
  await tick()
  expect((await collect(registry.registry)).deletedBlobs).toBe(3)
  expect(refusal(await putManifest(replica, 'a', 'one', imageOf('one')))).toMatch(
    /^400 MANIFEST_BLOB_UNKNOWN/,
  )
  await push(replica, 'a', 'one')
})

test('a mount of a blob that was collected is refused', async () => {
  const driver = new MemoryDriver()
  await using replica = await start(driver)
  await using registry = await start(driver)
  await replica.client.pushBlob('a', Buffer.from('blob'))
  await tick()
  await collect(registry.registry)
  const digest = digestOf(Buffer.from('blob'))
  expect((await replica.send(`POST /v2/b/blobs/uploads/?mount=${digest}&from=a`)).status).toBe(202)
})

test('of two collectors one works, and the other says so', async () => {
  const driver = new MemoryDriver()
  await using registry = await start(driver)
  await registry.client.pushBlob('a', Buffer.from('garbage'))
  await tick()
  const timing = { leaseMs: 300, beatMs: 50, settleMs: 0 }
  const steps = collectorOf(registry.registry, { timing }).steps()
  const first = await steps.next()
  await expect(collect(registry.registry, { timing })).rejects.toMatchObject({
    name: 'CollectorBusy',
  })
  await first.value?.run()
  await steps.next()
  expect(await isStored(driver, 'garbage')).toBe(false)
})

test('a collector that was replaced deletes nothing any more', async () => {
  const driver = new MemoryDriver()
  await using registry = await start(driver)
  await registry.client.pushBlob('a', Buffer.from('garbage'))
  await tick()
  const silent = { leaseMs: 100, beatMs: 1_000_000, settleMs: 0 }
  const stalled = collectorOf(registry.registry, { timing: silent }).steps()
  const first = await stalled.next()
  const successor = collectorOf(registry.registry, { timing: silent }).steps()
  const second = await successor.next()
  await expect(first.value?.run()).rejects.toMatchObject({ name: 'CollectorReplaced' })
  await expect(stalled.next()).rejects.toMatchObject({ name: 'CollectorReplaced' })
  expect(await isStored(driver, 'garbage')).toBe(true)
  await second.value?.run()
  await successor.next()
  expect(await isStored(driver, 'garbage')).toBe(false)
})

test('a collector that is replaced before it has begun is told so', async () => {
  const driver = new MemoryDriver()
  await using successor = await start(driver)
  const timing = { leaseMs: 100, beatMs: 1_000_000, settleMs: 0 }
  // Its file is written, and it is about to ask for the time of it.
  const stalling = stallingDriver(driver, async (method, path) => {
    if (method === 'stat' && path === `${COLLECTIONS}/1/started`)
      await collect(successor.registry, { timing })
  })
  await using replaced = await start(stalling)
  await expect(collect(replaced.registry, { timing })).rejects.toMatchObject({ name: 'CollectorReplaced' })
})

test('a replica with a cache of its own forgets what another process has collected', async () => {
  const driver = new MemoryDriver()
  const cache = new MemoryDescriptorCache({ maxEntries: 100 })
  const storage = new FaultyDriver(driver)
  await using replica = await HttpRegistry.start({ driver: storage, cache, collection: GUARD })
  const guard = new CollectionGuard(driver, GUARD)
  const evicted = Promise.withResolvers<void>()
  const digest = digestOf(Buffer.from('garbage'))
  guard.watch(async (one) => {
    await cache.evictContent(one)
    if (one === digest) evicted.resolve()
  }, 20)
  await using collecting = await start(driver)
  await replica.client.pushBlob('a', Buffer.from('garbage'))
  storage.forget()
  expect((await replica.send(`HEAD /v2/a/blobs/${digest}`)).status).toBe(200)
  expect(storage.calls).toEqual([])
  await tick()
  expect((await collect(collecting.registry)).deletedBlobs).toBe(1)
  await evicted.promise
  await expect.poll(async () => (await replica.send(`HEAD /v2/a/blobs/${digest}`)).status).toBe(404)
  await guard.close()
})

test('a blob that a client looks for while it is condemned is not deleted', async () => {
  const driver = new MemoryDriver()
  await using registry = await HttpRegistry.start({ driver, cache: NO_CACHE, collection: GUARD })
  for (const blob of ['looked for', 'not looked for']) await registry.client.pushBlob('a', Buffer.from(blob))
  await tick()
  const steps = collectorOf(registry.registry).steps()
  const first = await steps.next()
  await registry.client.pushBlob('b', Buffer.from('the state is known by then'))
  expect((await registry.send(`HEAD /v2/a/blobs/${digestOf(Buffer.from('looked for'))}`)).status).toBe(200)
  await first.value?.run()
  await steps.next()
  expect([await isStored(driver, 'looked for'), await isStored(driver, 'not looked for')]).toEqual([
    true,
    false,
  ])
})

test('a collection that was cut short, and the next one, read only the manifests that none has read', async () => {
  const driver = new FaultyDriver(new MemoryDriver())
  await using registry = await start(driver)
  for (let count = 0; count < 60; count++) await push(registry, 'a', `image ${count}`)
  await registry.client.pushBlob('a', Buffer.from('garbage'))
  await tick()
  const { StorageError } = await import('../../src/core/errors.ts')
  const isPayload = ({ method, path }: { method: string; path: string }) =>
    method === 'get' && path.startsWith('/docker/registry/v2/blobs/')
  driver.calls.length = 0
  // It ends in the second phase: the state can't be changed to it.
  driver.fault = (call) =>
    call.method === 'put' && call.path.includes('/condemned/')
      ? new StorageError('BACKEND_FAILED', { path: call.path })
      : undefined
  await expect(collect(registry.registry)).rejects.toThrow()
  expect(driver.calls.filter(isPayload)).toHaveLength(60)
  driver.fault = () => undefined
  await push(registry, 'a', 'pushed since')
  driver.calls.length = 0
  const report = await collect(registry.registry)
  expect(report).toMatchObject({ deletedBlobs: 1, findings: [] })
  expect(driver.calls.filter(isPayload)).toHaveLength(1)
  // Everything that an image needs is there.
  for (const name of ['image 7', 'pushed since'])
    for (const kept of [`config of ${name}`, 'shared', `layer of ${name}`])
      expect([kept, await isStored(driver, kept)]).toEqual([kept, true])
  expect((await registry.send(`DELETE /v2/a/manifests/${digestOf(imageOf('image 7'))}`)).status).toBe(202)
  await tick()
  expect((await collect(registry.registry)).deletedBlobs).toBe(3)
})

test('a damaged file of what manifests refer to is not believed', async () => {
  const driver = new MemoryDriver()
  await using registry = await start(driver)
  await push(registry, 'a', 'one')
  await tick()
  await collect(registry.registry)
  const edges = '/docker/registry/v2/gc/edges'
  for await (const { name } of driver.list(edges)) {
    const content = Buffer.from(await driver.get(`${edges}/${name}`))
    content[content.length - 1]! ^= 1
    await driver.put(`${edges}/${name}`, content)
  }
  expect((await collect(registry.registry)).deletedBlobs).toBe(0)
  expect(await isStored(driver, 'config of one')).toBe(true)
})

test('few blobs are condemned in one list, many in several', async () => {
  const driver = new FaultyDriver(new MemoryDriver())
  await using registry = await start(driver)
  for (const [count, lists] of [
    [100, 1],
    [5_000, 16],
  ] as const) {
    for (let index = 0; index < count; index++) {
      const bytes = Buffer.from(`garbage ${index}`)
      await driver.put(blobPath(digestOf(bytes)), bytes)
    }
    await tick()
    driver.calls.length = 0
    expect((await collect(registry.registry)).deletedBlobs).toBe(count)
    const written = driver.calls.filter(
      ({ method, path }) => method === 'put' && path.includes('/condemned/'),
    )
    expect(written).toHaveLength(lists)
  }
})
