import { describe, expect, it } from 'vitest'
import type { StorageDriver } from '../../../src/core/storage-driver.ts'
import type { DriverUnderTest } from '../storage-driver.ts'
import { collect, distinctBytes, expectSameBytes, expectStorageError, writeFile } from './support.ts'

const MIB = 1024 * 1024

export function describeAppending(current: () => DriverUnderTest): void {
  describe('append', () => {
    it('makes an absent file, empty until something is written', async () => {
      const { driver } = current()
      const writer = await driver.append('/a/b/file', { offset: 0 })
      expect(writer.size).toBe(0)
      await writer.sync()
      await writer.close()
      expect(await driver.stat('/a/b/file')).toMatchObject({ kind: 'file', size: 0 })
    })

    it('goes on where the file ends', async () => {
      const { driver } = current()
      await writeFile(driver, '/file', [Buffer.from('one ')])
      await writeFile(driver, '/file', [Buffer.from('two '), Buffer.from('three')])
      expect(Buffer.from(await driver.get('/file')).toString()).toBe('one two three')
    })

    it('goes on behind what was put', async () => {
      const { driver } = current()
      await driver.put('/file', Buffer.from('put and '))
      await writeFile(driver, '/file', [Buffer.from('appended')])
      expect(Buffer.from(await driver.get('/file')).toString()).toBe('put and appended')
    })

    it('knows the size with what was written so far', async () => {
      const { driver } = current()
      await writeFile(driver, '/file', [Buffer.alloc(10)])
      const writer = await driver.append('/file')
      expect(writer.size).toBe(10)
      await writer.write(Buffer.alloc(5))
      expect(writer.size).toBe(15)
      await writer.write(Buffer.alloc(0))
      expect(writer.size).toBe(15)
      await writer.sync()
      await writer.write(Buffer.alloc(MIB))
      expect(writer.size).toBe(15 + MIB)
      await writer.close()
      expect(writer.size).toBe(15 + MIB)
      expect(await driver.stat('/file')).toMatchObject({ size: 15 + MIB })
    })

    it.each([0, 9, 11, 1_000_000])('is refused at offset %i of a file of ten bytes', async (offset) => {
      const { driver } = current()
      await driver.put('/file', Buffer.from('0123456789'))
      await expectStorageError(appendAt(driver, '/file', offset), 'OFFSET_INVALID')
      expect(Buffer.from(await driver.get('/file')).toString()).toBe('0123456789')
    })

    it('is refused behind the start of an absent file, and does not make it', async () => {
      const { driver } = current()
      await expectStorageError(driver.append('/a/file', { offset: 1 }), 'OFFSET_INVALID')
      await expectStorageError(driver.stat('/a/file'), 'PATH_NOT_FOUND')
      await expectStorageError(driver.stat('/a'), 'PATH_NOT_FOUND')
    })

    it('what was synced is there for another driver, before the writer is closed', async () => {
      const { driver, another } = current()
      const writer = await driver.append('/a/file')
      await writer.write(Buffer.from('safe'))
      await writer.sync()
      expect(Buffer.from(await (await another()).get('/a/file')).toString()).toBe('safe')
      await writer.close()
    })

    it('another driver goes on where the first one stopped', async () => {
      const { driver, another } = current()
      await writeFile(driver, '/a/file', [Buffer.from('first ')])
      const writer = await (await another()).append('/a/file', { offset: 6 })
      await writer.write(Buffer.from('second'))
      await writer.sync()
      await writer.close()
      expect(Buffer.from(await driver.get('/a/file')).toString()).toBe('first second')
    })

    it('what was written and closed without a sync stays and can be appended to', async () => {
      const { driver } = current()
      const writer = await driver.append('/file')
      await writer.write(Buffer.from('kept '))
      await writer.close()
      await writeFile(driver, '/file', [Buffer.from('and more')])
      expect(Buffer.from(await driver.get('/file')).toString()).toBe('kept and more')
    })

    it('many small chunks arrive in order', async () => {
      const content = distinctBytes(200_001)
      const chunks: Buffer[] = []
      for (let start = 0; start < content.length; start += 7)
        chunks.push(Buffer.from(content.subarray(start, start + 7)))
      await writeFile(current().driver, '/file', chunks)
      expectSameBytes(await collect(current().driver.read('/file')), content)
    })

    it('chunks of very different lengths, one of several MiB, arrive in order', async () => {
      const lengths = [1, 65_536, 9 * MIB + 1, 3, MIB, 0, MIB - 1, 65_536, 2 * MIB, 5]
      const chunks = lengths.map((length, index) => distinctBytes(length, index))
      const content = Buffer.concat(chunks)
      await writeFile(current().driver, '/file', chunks)
      expectSameBytes(await collect(current().driver.read('/file')), content)
    })

    it('a caller that never waits loses nothing', async () => {
      const { driver } = current()
      const chunks = Array.from({ length: 400 }, (_, index) => distinctBytes(65_536, index))
      const content = Buffer.concat(chunks)
      const writer = await driver.append('/file')
      for (const chunk of chunks) void writer.write(chunk)
      expect(writer.size).toBe(content.length)
      await writer.sync()
      await writer.close()
      expectSameBytes(await collect(driver.read('/file')), content)
    })

    it('several files are appended to at the same time', async () => {
      const { driver } = current()
      const contents = Array.from({ length: 6 }, (_, index) => distinctBytes(3 * MIB, index))
      await Promise.all(
        contents.map(async (content, index) => {
          const writer = await driver.append(`/a/${index}/file`)
          for (let start = 0; start < content.length; start += 65_536) {
            await writer.write(Buffer.from(content.subarray(start, start + 65_536)))
          }
          await writer.sync({ dataOnly: true })
          await writer.close()
          await driver.move(`/a/${index}/file`, `/b/${index}/file`)
        }),
      )
      for (const [index, content] of contents.entries()) {
        expectSameBytes(await collect(driver.read(`/b/${index}/file`)), content)
      }
    })

    it('a writer can be closed twice and does nothing afterwards', async () => {
      const { driver } = current()
      const writer = await driver.append('/file')
      await writer.write(Buffer.from('content'))
      await writer.close()
      await writer.close()
      await expectStorageError(Promise.resolve(writer.write(Buffer.from('late'))), 'BACKEND_FAILED')
      await expectStorageError(writer.sync(), 'BACKEND_FAILED')
      expect(Buffer.from(await driver.get('/file')).toString()).toBe('content')
    })
  })
}

/** Appends to a file of that length; that it has another may come to light with the sync. */
async function appendAt(driver: StorageDriver, path: string, offset: number): Promise<void> {
  const writer = await driver.append(path, { offset })
  try {
    await writer.write(Buffer.from('more'))
    await writer.sync()
  } finally {
    await writer.close().catch(() => undefined)
  }
}
