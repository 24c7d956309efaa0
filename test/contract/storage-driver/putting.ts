import { describe, expect, it } from 'vitest'
import type { DriverUnderTest } from '../storage-driver.ts'
import { collect, distinctBytes, expectSameBytes, expectStorageError, namesIn } from './support.ts'

export function describePutting(current: () => DriverUnderTest): void {
  describe('put, get and stat', () => {
    it.each([0, 1, 71, 4096, 65_536, 1_000_003])('%i bytes come back as they were put', async (byteCount) => {
      const { driver } = current()
      const content = distinctBytes(byteCount)
      await driver.put('/a/b/file', content)
      expectSameBytes(await driver.get('/a/b/file'), content)
      expect(await driver.stat('/a/b/file')).toMatchObject({ kind: 'file', size: byteCount })
    })

    it('another driver over the same place sees the content', async () => {
      await current().driver.put('/a/file', Buffer.from('content'))
      const other = await current().another()
      expect(Buffer.from(await other.get('/a/file')).toString()).toBe('content')
    })

    it('content that need not be durable comes back just the same', async () => {
      const { driver } = current()
      await driver.put('/new/folder/file', Buffer.from('content'), { durable: false })
      expect(Buffer.from(await driver.get('/new/folder/file')).toString()).toBe('content')
    })

    it('a file that waits for something appears when that is done', async () => {
      const { driver } = current()
      const awaited = Promise.withResolvers<void>()
      const putting = driver.put('/a/second', Buffer.from('2'), { after: awaited.promise })
      await driver.put('/a/first', Buffer.from('1'))
      expect(await namesIn(driver, '/a')).toEqual(['first'])
      awaited.resolve()
      await putting
      expect(await namesIn(driver, '/a')).toEqual(['first', 'second'])
    })

    it('a file whose precedent fails never appears, and leaves nothing', async () => {
      const { driver } = current()
      const failed = driver.get('/absent')
      await expectStorageError(
        driver.put('/a/file', Buffer.from('content'), { after: failed }),
        'PATH_NOT_FOUND',
      )
      expect(await namesIn(driver, '/a')).toEqual([])
    })

    it('a second put replaces the first, shorter or longer', async () => {
      const { driver } = current()
      for (const content of ['something long', 'short', 'and something longer again']) {
        await driver.put('/file', Buffer.from(content))
        expect(Buffer.from(await driver.get('/file')).toString()).toBe(content)
      }
    })

    it('the content belongs to the caller again when the put is done', async () => {
      const { driver } = current()
      const content = Buffer.from('content')
      await driver.put('/file', content)
      content.fill('x')
      expect(Buffer.from(await driver.get('/file')).toString()).toBe('content')
    })

    it('a put leaves nothing else beside the file', async () => {
      const { driver } = current()
      await driver.put('/folder/file', Buffer.from('one'))
      await driver.put('/folder/file', Buffer.from('two'), { durable: false })
      expect(await namesIn(driver, '/folder')).toEqual(['file'])
    })

    it('a file says when it was changed', async () => {
      const { driver } = current()
      const before = Date.now()
      await driver.put('/file', Buffer.from('content'))
      const info = await driver.stat('/file')
      // File systems and buckets keep time more coarsely than the process does.
      const modifiedAt = info.kind === 'file' ? info.modifiedAt.getTime() : 0
      expect(modifiedAt).toBeGreaterThanOrEqual(before - 2000)
      expect(modifiedAt).toBeLessThanOrEqual(Date.now() + 2000)
    })

    it('a folder is a folder, at every level', async () => {
      const { driver } = current()
      await driver.put('/a/b/file', Buffer.from('content'))
      expect(await driver.stat('/a')).toEqual({ kind: 'folder' })
      expect(await driver.stat('/a/b')).toEqual({ kind: 'folder' })
    })

    it('nothing is found where nothing stands', async () => {
      const { driver } = current()
      await driver.put('/a/file', Buffer.from('content'))
      for (const path of ['/b', '/a/b', '/a/file.', '/a/fil', '/b/c/d']) {
        await expectStorageError(driver.stat(path), 'PATH_NOT_FOUND')
        await expectStorageError(driver.get(path), 'PATH_NOT_FOUND')
      }
    })

    it('a folder cannot be read, nor what would stand below a file', async () => {
      const { driver } = current()
      await driver.put('/a/file', Buffer.from('content'))
      for (const path of ['/a', '/a/file/below']) {
        await expectStorageError(driver.get(path), 'PATH_NOT_FOUND')
        await expectStorageError(collect(driver.read(path)), 'PATH_NOT_FOUND')
        await expectStorageError(
          collect(driver.read(path, { range: { start: 0, end: 0 } })),
          'PATH_NOT_FOUND',
        )
      }
      await expectStorageError(driver.stat('/a/file/below'), 'PATH_NOT_FOUND')
    })

    it('readers of a file that many write see one content or another, never a mixture', async () => {
      const { driver } = current()
      const contents = Array.from({ length: 50 }, (_, index) => Buffer.alloc(20_000 + index * 100, index + 1))
      await driver.put('/a/file', contents[0]!)
      const seen: Uint8Array[] = []
      let isWriting = true
      const reading = (async () => {
        while (isWriting) seen.push(await driver.get('/a/file'), await collect(driver.read('/a/file')))
      })()
      await Promise.all(contents.map((content) => driver.put('/a/file', content)))
      isWriting = false
      await reading
      for (const content of seen) expectSameBytes(content, contents[content[0]! - 1]!)
      expect(await namesIn(driver, '/a')).toEqual(['file'])
    })

    it('many files are put at once into folders that do not exist yet', async () => {
      const { driver } = current()
      const paths = Array.from({ length: 40 }, (_, index) => `/a/b/${index % 4}/c/${index % 8}/file-${index}`)
      await Promise.all(paths.map((path) => driver.put(path, Buffer.from(path))))
      for (const path of paths) expect(Buffer.from(await driver.get(path)).toString()).toBe(path)
    })
  })
}
