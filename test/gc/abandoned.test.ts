/** A collector that is gone while it deletes a batch. */
import { expect, test } from 'vitest'
import { collectionState } from '../../src/core/collection/collection-state.ts'
import { digestOf } from '../../src/core/digest.ts'
import { MediaType } from '../../src/core/media-type.ts'
import { MemoryDriver } from '../../src/storage/memory.ts'
import { stallingDriver } from '../crash/gc/stalling-driver.ts'
import { HttpRegistry, refusal } from '../support/http-registry.ts'
import { descriptorOf, imageJson, payloadOf } from '../support/manifest-json.ts'
import { collect } from './support.ts'

const LEASE_MS = 300
const guard = { trustedMs: 0, patienceMs: 100, leaseMs: LEASE_MS }
const body = Buffer.from(
  payloadOf(imageJson({ config: descriptorOf('config'), layers: [descriptorOf('layer')] })),
)
const put = (registry: HttpRegistry) =>
  registry.send('PUT /v2/a/manifests/v1', { headers: { 'content-type': MediaType.ociManifest }, body })

test('a push is refused until its collector counts as gone, and not until the next collection', async () => {
  const driver = new MemoryDriver()
  await using registry = await HttpRegistry.start({ driver, collection: guard })
  for (const blob of ['config', 'layer']) await registry.client.pushBlob('a', Buffer.from(blob))
  const [sealed, goesOn] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const standing = stallingDriver(driver, async (method) => {
    if (method !== 'deleteFenced') return
    sealed.resolve()
    await goesOn.promise
  })
  await using other = await HttpRegistry.start({ driver: standing })
  const timing = { leaseMs: LEASE_MS, beatMs: 600_000, settleMs: 0 }
  // Whatever there is is old enough.
  const collecting = collect(other.registry, { graceMs: -60_000, timing })
  const outcome = collecting.then(() => undefined, String)
  await sealed.promise

  const refused = await put(registry)
  expect(refusal(refused)).toMatch(/^503 UNAVAILABLE/)
  expect(refused.headers['retry-after']).toBe('1')
  let answer = refused
  const startedAt = performance.now()
  while (answer.status === 503) answer = await put(registry)
  expect(answer.status).toBe(201)
  expect(performance.now() - startedAt).toBeLessThan(20 * LEASE_MS)
  expect((await collectionState(driver).get())?.state).toMatchObject({ phase: 'idle', deletions: 1 })

  goesOn.resolve()
  expect(await outcome).toMatch(/FENCE_CLOSED|CollectorReplaced/)
  for (const blob of ['config', 'layer'])
    expect((await registry.send(`GET /v2/a/blobs/${digestOf(Buffer.from(blob))}`)).body.toString()).toBe(blob)
  expect((await collect(registry.registry, { graceMs: -60_000 })).deletedBlobs).toBe(0)
})
