import { expect, it } from 'vitest'
import type { StorageDriver } from '../../../src/core/storage-driver.ts'
import type { DriverUnderTest } from '../storage-driver.ts'
import { expectStorageError } from './support.ts'

const text = async (driver: StorageDriver, path: string) => Buffer.from(await driver.get(path)).toString()

export function describeFencing(current: () => DriverUnderTest): void {
  it('a fence removes files, and nothing else', async () => {
    const { driver } = current()
    for (const path of ['/a/one', '/a/two', '/b/one', '/b/once']) await driver.put(path, Buffer.from(path))
    const fence = await driver.openFence()
    await driver.deleteFenced(['/a/one', '/absent/file', '/b/one'], fence)
    await driver.deleteFenced(['/a/one', '/a/two'], fence)
    await driver.closeFence(fence)
    for (const path of ['/a/one', '/a/two', '/b/one'])
      await expectStorageError(driver.stat(path), 'PATH_NOT_FOUND')
    expect(await text(driver, '/b/once')).toBe('/b/once')
    await driver.put('/a/one', Buffer.from('again'))
    expect(await text(driver, '/a/one')).toBe('again')
  })

  it('no file is removed by a fence that is closed, whoever has closed it', async () => {
    const { driver } = current()
    const other = await current().another()
    await driver.put('/a/file', Buffer.from('stays'))
    const [own, taken] = [
      await driver.openFence({ lifetimeMs: 1_000 }),
      await driver.openFence({ lifetimeMs: 1_000 }),
    ]
    await driver.closeFence(own)
    await expectStorageError(driver.deleteFenced(['/a/file'], own), 'FENCE_CLOSED')
    await other.closeFence(taken)
    await expectStorageError(driver.deleteFenced(['/a/file'], taken), 'FENCE_CLOSED')
    await driver.closeFence(taken)
    await other.closeFence(own)
    expect(await text(driver, '/a/file')).toBe('stays')
  }, 120_000)

  it('what is put where a file is removed meanwhile is there in the end, or is not, but whole', async () => {
    const { driver } = current()
    const fence = await driver.openFence()
    for (let round = 0; round < 20; round++) {
      const path = `/a/${round}/file`
      await driver.put(path, Buffer.from('old'))
      await Promise.all([driver.deleteFenced([path], fence), driver.put(path, Buffer.from('new'))])
      const found = await text(driver, path).catch(() => 'none')
      expect(['new', 'none']).toContain(found)
    }
    await driver.closeFence(fence)
  })
}
