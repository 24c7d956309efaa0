/** Garbage collection in a bucket, where removals are requests that expire. */
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { MediaType } from '../../src/core/media-type.ts'
import { run } from '../../src/maintenance/runner.ts'
import { Scrub } from '../../src/maintenance/scrub/scrub.ts'
import { blobPath } from '../../src/registry/paths.ts'
import { collect, GUARD } from '../gc/support.ts'
import { FaultyProxy } from '../support/faulty-proxy.ts'
import { HttpRegistry, quiet } from '../support/http-registry.ts'
import { descriptorOf, imageJson, payloadOf } from '../support/manifest-json.ts'
import { S3Replicas, s3ServerForTests, s3Settings, skipReason } from '../support/s3-driver.ts'

describe.skipIf(skipReason('versitygw'))(`over versitygw${skipReason('versitygw') ?? ''}`, () => {
  const server = s3ServerForTests('versitygw')

  test('what no manifest names is deleted, and all else stays', async () => {
    await using replicas = await S3Replicas.start(s3Settings(server()))
    await using registry = await HttpRegistry.start({
      driver: await replicas.open(),
      collection: GUARD,
      settings: { redirects: undefined },
    })
    const blobs = ['config', 'layer', ...Array.from({ length: 40 }, (_, index) => `garbage ${index}`)]
    for (const blob of blobs) await registry.client.pushBlob('a', Buffer.from(blob))
    const image = Buffer.from(
      payloadOf(imageJson({ config: descriptorOf('config'), layers: [descriptorOf('layer')] })),
    )
    const headers = { 'content-type': MediaType.ociManifest }
    expect((await registry.send('PUT /v2/a/manifests/v1', { headers, body: image })).status).toBe(201)
    await delay(1_100) // the store counts in seconds
    const report = await collect(registry.registry, { batchSize: 16 })
    expect(report).toMatchObject({ blobs: 43, deletedBlobs: 40, rescuedBlobs: 0, findings: [] })
    for (const blob of ['config', 'layer']) {
      const answer = await registry.send(`GET /v2/a/blobs/${digestOf(Buffer.from(blob))}`)
      expect([answer.status, answer.body.toString()]).toEqual([200, blob])
    }
    expect((await registry.send(`HEAD /v2/a/blobs/${digestOf(Buffer.from('garbage 7'))}`)).status).toBe(404)
  })

  test('many are deleted by few requests', async () => {
    const place = server()
    await using proxy = await FaultyProxy.start(place.endpoint)
    await using replicas = await S3Replicas.start(s3Settings(place, { regionendpoint: proxy.endpoint }))
    const driver = await replicas.open()
    await using registry = await HttpRegistry.start({
      driver,
      collection: GUARD,
      settings: { redirects: undefined },
    })
    const count = 600
    const names = Array.from({ length: count }, (_, index) => Buffer.from(`garbage ${index}`))
    for (let start = 0; start < count; start += 20)
      await Promise.all(names.slice(start, start + 20).map((one) => driver.put(blobPath(digestOf(one)), one)))
    await delay(1_100)
    proxy.forget()
    const report = await collect(registry.registry)
    expect(report).toMatchObject({ blobs: count, deletedBlobs: count })
    expect(proxy.requests.filter(({ method }) => method === 'DELETE').length).toBeLessThan(10)
    expect(proxy.requests.length).toBeLessThan(count / 10)
    expect((await collect(registry.registry)).blobs).toBe(0)
  })

  test('a batch that comes late deletes nothing', async () => {
    const place = server()
    await using proxy = await FaultyProxy.start(place.endpoint)
    await using replicas = await S3Replicas.start(s3Settings(place, { regionendpoint: proxy.endpoint }))
    const driver = await replicas.open()
    const paths = ['/a', '/b', '/c']
    for (const path of paths) await driver.put(path, Buffer.from('bytes'))
    // The store is tried out.
    const first = await driver.openFence()
    await driver.deleteFenced(['/x', '/y'], first)
    await driver.closeFence(first)
    const fence = await driver.openFence({ lifetimeMs: 1_000 })
    const late = delay(2_500)
    proxy.fault = ({ method }) => (method === 'POST' ? { kind: 'hold', until: late } : undefined)
    await expect(driver.deleteFenced(paths, fence)).rejects.toMatchObject({ code: 'FENCE_CLOSED' })
    proxy.fault = () => undefined
    for (const path of paths) expect((await driver.get(path)).toString()).toBe('bytes')
  })

  test('what a batch has left is deleted one by one', async () => {
    const place = server()
    await using proxy = await FaultyProxy.start(place.endpoint)
    await using replicas = await S3Replicas.start(s3Settings(place, { regionendpoint: proxy.endpoint }))
    const driver = await replicas.open()
    const paths = ['/a', '/b', '/c']
    for (const path of paths) await driver.put(path, Buffer.from('bytes'))
    const first = await driver.openFence()
    await driver.deleteFenced(['/x', '/y'], first)
    await driver.closeFence(first)
    const body = '<DeleteResult><Error><Key>a</Key><Code>InternalError</Code></Error></DeleteResult>'
    proxy.fault = ({ method }) => (method === 'POST' ? { kind: 'answer', status: 200, body } : undefined)
    const fence = await driver.openFence()
    await driver.deleteFenced(paths, fence)
    await driver.closeFence(fence)
    for (const path of paths) await expect(driver.get(path)).rejects.toMatchObject({ code: 'PATH_NOT_FOUND' })
  })

  test('a scrub takes a damaged blob out of service, and a push heals it', async () => {
    await using replicas = await S3Replicas.start(s3Settings(server()))
    const driver = await replicas.open()
    const settings = { redirects: undefined }
    await using registry = await HttpRegistry.start({ driver, settings })
    const layer = Buffer.alloc(200_000, 'layer')
    const blob = `/v2/a/blobs/${digestOf(layer)}`
    await registry.client.pushBlob('a', layer)
    const flipped = Buffer.from(layer)
    flipped[100_000]! ^= 1
    await driver.put(blobPath(digestOf(layer)), flipped)
    const scrub = async () => {
      const one = new Scrub({ content: registry.registry.collectable, pace: 0 })
      await run(one.steps(), { log: quiet, dryRun: false })
      return one.report
    }
    expect((await scrub()).totals).toMatchObject({ blobs: 1, damagedBlobs: 1 })
    for (const method of ['GET', 'HEAD']) expect((await registry.send(`${method} ${blob}`)).status).toBe(404)
    await registry.client.pushBlob('a', layer)
    expect((await registry.send(`GET ${blob}`)).body).toEqual(layer)
    expect((await scrub()).findings).toEqual([])
  })
})
