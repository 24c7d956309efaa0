/** Damage of stored content is found, is not served, and is healed. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { Quarantine } from '../../src/core/collection/quarantine.ts'
import { type Digest, digestOf } from '../../src/core/digest.ts'
import { StorageError } from '../../src/core/errors.ts'
import { ForwardingDriver } from '../../src/core/forwarding-driver.ts'
import { MediaType } from '../../src/core/media-type.ts'
import type { MoveOptions, StorageDriver } from '../../src/core/storage-driver.ts'
import { run } from '../../src/maintenance/runner.ts'
import { Scrub, type ScrubOptions } from '../../src/maintenance/scrub/scrub.ts'
import { blobPath } from '../../src/registry/paths.ts'
import { FilesystemDriver } from '../../src/storage/filesystem.ts'
import { MemoryDriver } from '../../src/storage/memory.ts'
import { collectAll } from '../contract/storage-driver/support.ts'
import { FaultyDriver } from '../support/faulty-driver.ts'
import { HttpRegistry, quiet } from '../support/http-registry.ts'
import { descriptorOf, imageJson, payloadOf } from '../support/manifest-json.ts'
import { startMirror } from '../support/mirror-under-test.ts'
import { ScriptedUpstream } from '../support/scripted-upstream.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

/** Larger than what is checked whenever it is read. */
const layer = Buffer.alloc(200_000, 'layer')
const config = Buffer.from('config')
const [layerDigest, configDigest] = [digestOf(layer), digestOf(config)]
const image = Buffer.from(
  payloadOf(
    imageJson({
      config: descriptorOf('config'),
      layers: [descriptorOf('', { digest: layerDigest, size: layer.length })],
    }),
  ),
)
const imageDigest = digestOf(image)

async function push({ client, send }: Pushed, repository = 'a') {
  for (const blob of [layer, config]) await client.pushBlob(repository, blob)
  const headers = { 'content-type': MediaType.ociManifest }
  expect((await send(`PUT /v2/${repository}/manifests/v1`, { headers, body: image })).status).toBe(201)
}

type Pushed = Pick<HttpRegistry, 'client' | 'send'>
const pushed = (registry: HttpRegistry): Pushed => ({
  client: registry.client,
  send: registry.send.bind(registry),
})

async function scrub(registry: HttpRegistry, options: Partial<ScrubOptions> = {}) {
  const one = new Scrub({ content: registry.registry.collectable, pace: 0, saveMs: 0, ...options })
  await run(one.steps(), { log: quiet, dryRun: options.dryRun ?? false })
  return one.report
}

/** Bit rot: the same length and time of change do not matter. */
async function flip(driver: StorageDriver, digest: Digest): Promise<void> {
  const bytes = Buffer.from(await driver.get(blobPath(digest)))
  bytes[bytes.length >> 1]! ^= 1
  await driver.put(blobPath(digest), bytes)
}

const kinds = [
  { kind: 'memory', open: async () => ({ driver: new MemoryDriver(), remove: async () => {} }) },
  {
    kind: 'a folder',
    open: async () => {
      const folder = await temporaryFolder()
      return { driver: await FilesystemDriver.open({ root: folder.path }), remove: () => folder.remove() }
    },
  },
]

describe.each(kinds)('over $kind', ({ open }) => {
  let driver: StorageDriver
  let registry: HttpRegistry
  let remove: () => Promise<void>
  beforeEach(async () => {
    ;({ driver, remove } = await open())
    registry = await HttpRegistry.start({ driver })
    await push(pushed(registry))
  })
  afterEach(async () => {
    await registry.stop()
    await driver.close()
    await remove()
  })

  test('intact content has no findings', async () => {
    const { findings, totals } = await scrub(registry)
    expect(findings).toEqual([])
    expect(totals).toMatchObject({ blobs: 3, repositories: 1, manifests: 1, damagedBlobs: 0, findings: 0 })
    expect(totals.bytes).toBe(layer.length + config.length + image.length)
  })

  test('a damaged blob is not served again, its image is reported, and a push heals it', async () => {
    const other = await HttpRegistry.start({ driver })
    for (const one of [registry, other])
      expect((await one.send(`HEAD /v2/a/blobs/${layerDigest}`)).status).toBe(200)
    await flip(driver, layerDigest)
    const { findings, totals } = await scrub(registry)
    expect(findings).toEqual([
      { name: layerDigest, problem: 'its bytes are damaged', outcome: 'set aside' },
      { repository: 'a', name: layerDigest, problem: 'its bytes are missing' },
    ])
    expect(totals).toMatchObject({ damagedBlobs: 1, healedBlobs: 0 })
    expect(await collectAll(new Quarantine(driver).find(layerDigest))).toHaveLength(1)
    for (const method of ['HEAD', 'GET'])
      expect([method, (await registry.send(`${method} /v2/a/blobs/${layerDigest}`)).status]).toEqual([
        method,
        404,
      ])
    // A replica that has it cached in its own memory.
    expect((await other.send(`GET /v2/a/blobs/${layerDigest}`)).status).toBe(404)
    expect((await other.send(`HEAD /v2/a/blobs/${layerDigest}`)).status).toBe(404)
    await push(pushed(registry))
    for (const one of [registry, other])
      expect((await one.send(`GET /v2/a/blobs/${layerDigest}`)).body).toEqual(layer)
    expect((await scrub(registry)).findings).toEqual([])
    await other.stop()
  })

  test('a damaged manifest is not served again, and a push heals it', async () => {
    await flip(driver, imageDigest)
    const { findings } = await scrub(registry)
    expect(findings).toMatchObject([
      { name: imageDigest, outcome: 'set aside' },
      { repository: 'a', name: imageDigest, problem: 'its bytes are missing' },
    ])
    expect((await registry.send('GET /v2/a/manifests/v1')).status).toBe(404)
    await push(pushed(registry))
    expect((await registry.send('GET /v2/a/manifests/v1')).body).toEqual(image)
  })

  test('another storage heals what is damaged or missing', async () => {
    const from = new MemoryDriver()
    await using other = await HttpRegistry.start({ driver: from })
    await push(pushed(other), 'b')
    await flip(driver, layerDigest)
    await driver.delete(blobPath(configDigest))
    const { findings, totals } = await scrub(registry, { from })
    const outcome = 'healed from the other storage'
    expect(findings).toMatchObject([
      { name: layerDigest, outcome },
      { name: configDigest, problem: 'its bytes are missing', outcome },
    ])
    expect(totals).toMatchObject({ damagedBlobs: 1, healedBlobs: 2 })
    expect((await registry.send(`GET /v2/a/blobs/${layerDigest}`)).body).toEqual(layer)
    expect((await registry.send(`GET /v2/a/blobs/${configDigest}`)).body).toEqual(config)
    expect((await scrub(registry)).findings).toEqual([])
  })

  test('another storage that is damaged itself heals nothing', async () => {
    const from = new MemoryDriver()
    await from.put(blobPath(layerDigest), Buffer.from('wrong'))
    await flip(driver, layerDigest)
    expect((await scrub(registry, { from })).totals).toMatchObject({ damagedBlobs: 1, healedBlobs: 0 })
    expect((await registry.send(`GET /v2/a/blobs/${layerDigest}`)).status).toBe(404)
  })

  test('quarantine heals what is missing', async () => {
    await driver.move(
      blobPath(layerDigest),
      new Quarantine(driver).pathOf(layerDigest, { at: new Date(), reason: 'damaged' }),
    )
    expect((await scrub(registry)).findings).toMatchObject([
      { name: layerDigest, outcome: 'healed from quarantine' },
    ])
    expect((await registry.send(`GET /v2/a/blobs/${layerDigest}`)).body).toEqual(layer)
  })

  test('a dry run changes nothing', async () => {
    await flip(driver, layerDigest)
    const { findings } = await scrub(registry, { dryRun: true })
    expect(findings).toEqual([{ name: layerDigest, problem: 'its bytes are damaged' }])
    expect(await collectAll(new Quarantine(driver).find(layerDigest))).toEqual([])
    expect((await scrub(registry)).run).toBe(1)
  })

  test('tags and manifests that lead nowhere are reported', async () => {
    const root = '/docker/registry/v2/repositories/a/_manifests'
    await driver.put(`${root}/tags/empty/current/link`, Buffer.from(''))
    await driver.put(`${root}/tags/lost/current/link`, Buffer.from(digestOf(Buffer.from('lost'))))
    await driver.delete(`/docker/registry/v2/repositories/a/_layers/sha256/${configDigest.slice(7)}`)
    const { findings } = await scrub(registry)
    expect(findings.map(({ name, problem }) => `${name}: ${problem}`)).toEqual([
      'tag empty: leads nowhere: its link names no digest',
      `tag lost: leads to ${digestOf(Buffer.from('lost'))}, which the repository does not have`,
      `${imageDigest}: needs ${configDigest}, which the repository does not have`,
    ])
  })

  test('what is put into quarantine is removed after thirty days', async () => {
    const quarantine = new Quarantine(driver)
    const days = (count: number) => new Date(Date.now() - count * 24 * 3_600_000)
    for (const age of [29, 32])
      await driver.put(
        quarantine.pathOf(layerDigest, { at: days(age), reason: 'damaged' }),
        Buffer.from('damaged'),
      )
    await scrub(registry)
    expect(await collectAll(quarantine.find(layerDigest))).toEqual([
      { path: quarantine.pathOf(layerDigest, { at: days(29), reason: 'damaged' }), reason: 'damaged' },
    ])
  })
})

test('a run that was cut short is continued', async () => {
  const driver = new FaultyDriver(new MemoryDriver())
  await using registry = await HttpRegistry.start({ driver })
  for (let count = 0; count < 40; count++) await registry.client.pushBlob('a', Buffer.from(`blob ${count}`))
  for (const repository of ['b', 'b/c', 'd']) await push(pushed(registry), repository)
  let reads = 0
  const failAfter = (method: 'read' | 'scan', count: number) => {
    reads = 0
    driver.fault = (call) =>
      call.method === method && call.path.includes('/v2/') && ++reads > count
        ? new StorageError('BUSY', { path: call.path })
        : undefined
  }
  failAfter('read', 25)
  await expect(scrub(registry)).rejects.toThrow()
  failAfter('read', Number.POSITIVE_INFINITY)
  const report = await scrub(registry)
  // Some that were read ahead of the position are read again.
  expect(reads).toBeLessThan(43 - 25 + 8)
  expect(report).toMatchObject({ run: 1, totals: { blobs: 43, repositories: 3 }, findings: [] })
  expect((await scrub(registry)).run).toBe(2)
})

test('of two processes one scrubs', async () => {
  const driver = new MemoryDriver()
  await using registry = await HttpRegistry.start({ driver })
  await push(pushed(registry))
  const first = new Scrub({ content: registry.registry.collectable, pace: 0, saveMs: 0 })
  await flip(driver, layerDigest)
  const steps = first.steps()
  await steps.next()
  // It stood still, and was replaced.
  expect((await scrub(registry)).totals.damagedBlobs).toBe(1)
  await expect(steps.next()).rejects.toThrow('another process')
})

test('a push that replaces the bytes while they are set aside is not lost', async () => {
  const memory = new MemoryDriver()
  const pushedMeanwhile: string[] = []
  /** A push comes just before the move. */
  class Raced extends ForwardingDriver {
    override async move(from: string, to: string, options?: MoveOptions): Promise<boolean> {
      if (from === blobPath(layerDigest) && pushedMeanwhile.length === 0) {
        pushedMeanwhile.push(from)
        await memory.put(from, layer)
      }
      return super.move(from, to, options)
    }
  }
  await using registry = await HttpRegistry.start({ driver: new Raced(memory) })
  await push(pushed(registry))
  await flip(memory, layerDigest)
  expect((await scrub(registry)).findings).toEqual([])
  expect(pushedMeanwhile).toHaveLength(1)
  expect((await registry.send(`GET /v2/a/blobs/${layerDigest}`)).body).toEqual(layer)
})

test('blobs that cannot be read are reported, unless it is the storage that fails', async () => {
  const driver = new FaultyDriver(new MemoryDriver())
  await using registry = await HttpRegistry.start({ driver })
  await push(pushed(registry))
  driver.fault = ({ method, path }) =>
    method === 'read' && path === blobPath(layerDigest)
      ? new StorageError('BACKEND_FAILED', { path, message: 'EIO' })
      : undefined
  expect((await scrub(registry)).findings).toMatchObject([
    { name: layerDigest, problem: /can't be read: EIO/ },
  ])
})

test('a mirror fetches a damaged blob again', async () => {
  const upstream = await ScriptedUpstream.start()
  upstream.addBlob(layer)
  upstream.addBlob(config)
  const manifest = upstream.addManifest(image, MediaType.ociManifest)
  upstream.setTag('a', 'v1', manifest)
  const mirror = await startMirror({ url: upstream.url })
  const pull = async () => {
    expect((await mirror.http.send('GET /v2/a/manifests/v1')).body).toEqual(image)
    expect((await mirror.http.send(`GET /v2/a/blobs/${layerDigest}`)).body).toEqual(layer)
    await expect.poll(() => mirror.flights.count).toBe(0)
  }
  await pull()
  await flip(mirror.http.driver, layerDigest)
  expect((await scrub(mirror.http)).totals.damagedBlobs).toBe(1)
  await pull()
  expect((await scrub(mirror.http)).findings.filter(({ name }) => name === layerDigest)).toEqual([])
  await mirror[Symbol.asyncDispose]()
  await upstream.stop()
})
