/** A push of a manifest is refused at its end, because a collection has deleted what it needs meanwhile: the manifest is there then, but
 *  nothing may be built upon it. */
import { expect, test } from 'vitest'
import { digestOf, hexOf } from '../../src/core/digest.ts'
import { MemoryDriver } from '../../src/storage/memory.ts'
import { HttpRegistry, refusal } from '../support/http-registry.ts'
import { collect, GUARD } from './support.ts'
import { imageOf, indexOf, type PushedManifest, push, put } from './untagged-images.ts'

const child = imageOf('child')
const index = indexOf(child)
const outer = indexOf(index)

/** Does something before a manifest is linked, once. */
class InterruptedDriver extends MemoryDriver {
  beforeLink: (() => Promise<unknown>) | undefined

  override async put(...parameters: Parameters<MemoryDriver['put']>): Promise<void> {
    const [path] = parameters
    const before = path.endsWith(`/revisions/sha256/${hexOf(digestOf(child.bytes))}/link`) && this.beforeLink
    if (before) {
      this.beforeLink = undefined
      await before()
    }
    return super.put(...parameters)
  }
}

const putByDigest = (registry: HttpRegistry, manifest: PushedManifest) =>
  put(registry, 'a', { manifest, reference: digestOf(manifest.bytes) })

test.each([
  ['an index', async () => {}, index],
  ['an index of an index', (registry: HttpRegistry) => push(registry, 'a', { manifest: index }), outer],
])('%s of it is refused until it is pushed again', async (_, before, refused) => {
  const driver = new InterruptedDriver()
  await using collecting = await HttpRegistry.start({ driver, collection: GUARD })
  await using registry = await HttpRegistry.start({ driver, collection: GUARD })
  await push(registry, 'a', { manifest: child })
  await before(registry)
  const path = `/v2/a/manifests/${digestOf(child.bytes)}`
  expect((await registry.send(`DELETE ${path}`)).status).toBe(202)
  for (const blob of child.blobs) await registry.client.pushBlob('a', Buffer.from(blob))
  driver.beforeLink = () => collect(collecting.registry)
  expect(refusal(await putByDigest(registry, child))).toMatch(/^400 MANIFEST_BLOB_UNKNOWN/)

  expect((await registry.send(`HEAD ${path}`)).status).toBe(200)
  for (const one of [registry, collecting])
    expect(refusal(await putByDigest(one, refused))).toMatch(/^400 MANIFEST_BLOB_UNKNOWN/)
  for (const blob of child.blobs) await registry.client.pushBlob('a', Buffer.from(blob))
  await push(registry, 'a', { manifest: child })
  expect((await putByDigest(registry, refused)).status).toBe(201)
})
