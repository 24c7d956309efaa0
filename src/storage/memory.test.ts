import { describe, expect, it } from 'vitest'
import { describeStorageDriver } from '../../test/contract/storage-driver.ts'
import { describeFolders } from '../../test/contract/storage-driver-folders.ts'
import { MemoryDriver } from './memory.ts'

async function open() {
  const driver = new MemoryDriver()
  return { driver, another: async () => driver, close: () => driver.close() }
}

describeStorageDriver('inmemory', open)
describeFolders('inmemory', open)

describe('the memory driver', () => {
  it('a folder is gone with the last file below it', async () => {
    const driver = new MemoryDriver()
    await driver.put('/a/b/c', Buffer.from('content'))
    await driver.delete('/a/b/c')
    await expect(driver.stat('/a')).rejects.toMatchObject({ code: 'PATH_NOT_FOUND' })
  })

  it('offers no URL', async () => {
    const driver = new MemoryDriver()
    await driver.put('/file', Buffer.from('content'))
    expect(await driver.redirectUrl('/file')).toBeUndefined()
  })

  it('a file of 300,000 appended bytes is kept in few pieces', async () => {
    const driver = new MemoryDriver()
    const writer = await driver.append('/file')
    for (let count = 0; count < 300_000; count++) void writer.write(Buffer.of(count & 0xff))
    await writer.close()
    let chunks = 0
    for await (const _chunk of driver.read('/file')) chunks++
    expect(chunks).toBeLessThan(10)
  })
})
