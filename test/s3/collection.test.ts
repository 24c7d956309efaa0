/** Garbage collection in a bucket, where removals are requests that expire. */
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { MediaType } from '../../src/core/media-type.ts'
import { collect, GUARD } from '../gc/support.ts'
import { HttpRegistry } from '../support/http-registry.ts'
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
})
