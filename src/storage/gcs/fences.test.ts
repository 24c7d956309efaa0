import { setTimeout as delay } from 'node:timers/promises'
import { expect, it } from 'vitest'
import { expectStorageError } from '../../../test/contract/storage-driver/support.ts'
import { collect, GUARD } from '../../../test/gc/support.ts'
import { imageOf, push } from '../../../test/gc/untagged-images.ts'
import { describeOnGcs, openForEach } from '../../../test/support/gcs-under-test.ts'

import { HttpRegistry } from '../../../test/support/http-registry.ts'

describeOnGcs('fences of gcs', (current) => {
  const opened = openForEach(current)

  it('a removal that was held up does nothing once another process has closed its fence', async () => {
    const { driver, another } = opened()
    const { front } = current().server
    const successor = await another()
    for (const path of ['/one', '/two']) await driver.put(path, Buffer.from(path))
    const fence = await driver.openFence()
    const closing = Promise.withResolvers<void>()
    const reached = Promise.withResolvers<void>()
    front.fault = ({ method, url = '' }) => {
      if (method !== 'DELETE' || !url.includes('/o/one')) return undefined
      reached.resolve()
      return { waitFor: closing.promise }
    }
    const removing = expectStorageError(driver.deleteFenced(['/one'], fence), 'FENCE_CLOSED')
    await Promise.race([reached.promise, removing])
    await successor.closeFence(fence)
    closing.resolve()
    await removing
    await expectStorageError(driver.deleteFenced(['/two'], fence), 'FENCE_CLOSED')
    await driver.closeFence(fence)
    for (const path of ['/one', '/two']) expect(Buffer.from(await driver.get(path)).toString()).toBe(path)
  })

  it('a removal whose answer was lost is closed as one that may be under way', async () => {
    const { driver } = opened()
    const { front } = current().server
    await driver.put('/one', Buffer.from('old'))
    const fence = await driver.openFence()
    front.failFirst(/^DELETE .*\/o\/one/, { status: 503 }, 100)
    await expectStorageError(driver.deleteFenced(['/one'], fence), 'BUSY')
    front.fault = () => undefined
    front.forget()
    await driver.closeFence(fence)
    expect(front.requestsLike(/^PATCH .*\/o\/one/)).toHaveLength(1)
    expect(Buffer.from(await driver.get('/one')).toString()).toBe('old')
  })

  it('a collection deletes what no manifest refers to, and ends without a fence', async () => {
    const { driver, bucket } = opened()
    await using registry = await HttpRegistry.start({ driver, collection: GUARD })
    await push(registry, 'a', { manifest: imageOf('kept'), reference: 'v1' })
    await registry.client.pushBlob('a', Buffer.from('garbage'))
    await delay(20)
    expect(await collect(registry.registry)).toMatchObject({ blobs: 4, deletedBlobs: 1, findings: [] })
    const names = Object.keys(await current().server.objects(bucket))
    expect(names.filter((name) => name.includes('~fences'))).toEqual([])
    expect(names.filter((name) => /\/blobs\/.*\/data$/.test(name))).toHaveLength(3)
  })

  it('a fence whose requests are all answered is closed by one request', async () => {
    const { driver, bucket } = opened()
    const { server } = current()
    for (const path of ['/one', '/two']) await driver.put(path, Buffer.from(path))
    const fence = await driver.openFence()
    await driver.deleteFenced(['/one', '/two'], fence)
    server.front.forget()
    await driver.closeFence(fence)
    expect(server.front.requests).toHaveLength(1)
    expect(await server.objects(bucket)).toEqual({})
  })
})
