/** Removals by a fence, as the service sees them. */
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { openBehind } from '../../../test/support/azure-faults.ts'
import { Azurite } from '../../../test/support/azurite.ts'
import { FaultyProxy } from '../../../test/support/faulty-proxy.ts'
import type { AzureDriver } from '../azure.ts'

let azurite: Azurite
let proxy: FaultyProxy
let driver: AzureDriver
beforeAll(async () => {
  azurite = await Azurite.start()
  proxy = await FaultyProxy.start(new URL(azurite.serviceUrl).origin)
  driver = await openBehind(proxy, await azurite.container())
})
afterAll(async () => {
  await driver.close()
  await proxy[Symbol.asyncDispose]()
  await azurite.stop()
})

async function putAll(paths: readonly string[]): Promise<void> {
  await Promise.all(paths.map((path) => driver.put(path, Buffer.from('bytes'))))
}

/** The service is tried out at the first removal. */
async function tryOut(): Promise<void> {
  const fence = await driver.openFence()
  await driver.deleteFenced(['/x', '/y'], fence)
  await driver.closeFence(fence)
}

it('a hundred blobs are removed by a request', async () => {
  const paths = Array.from({ length: 101 }, (_, index) => `/blob-${index}`)
  await putAll([...paths, '/other'])
  await tryOut()
  const fence = await driver.openFence()
  proxy.forget()

  await driver.deleteFenced(paths, fence)

  expect(proxy.requests.map(({ method, query }) => `${method} ${query.get('comp')}`)).toEqual([
    'POST batch',
    'POST batch',
  ])
  await driver.closeFence(fence)
  const names: string[] = []
  for await (const page of driver.scan('/')) names.push(...page.map(({ path }) => path))
  expect(names).toEqual(['/other'])
})

it('a batch that comes late removes nothing', async () => {
  const paths = ['/a', '/b', '/c']
  await putAll(paths)
  await tryOut()
  const fence = await driver.openFence({ lifetimeMs: 1_000 })
  const late = delay(2_500)
  proxy.fault = ({ method }) => (method === 'POST' ? { kind: 'hold', until: late } : undefined)

  await expect(driver.deleteFenced(paths, fence)).rejects.toMatchObject({ code: 'FENCE_CLOSED' })

  proxy.fault = () => undefined
  for (const path of paths) expect(Buffer.from(await driver.get(path)).toString()).toBe('bytes')
})

it('a batch whose answer is lost is sent again', async () => {
  const paths = ['/d', '/e']
  await putAll(paths)
  await tryOut()
  const fence = await driver.openFence()
  let lost = 0
  proxy.fault = ({ method }) => (method === 'POST' && lost++ === 0 ? { kind: 'lose-answer' } : undefined)

  await driver.deleteFenced(paths, fence)

  proxy.fault = () => undefined
  await driver.closeFence(fence)
  expect(lost).toBe(2)
  for (const path of paths) await expect(driver.get(path)).rejects.toMatchObject({ code: 'PATH_NOT_FOUND' })
})
