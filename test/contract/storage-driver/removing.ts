import { describe, expect, it } from 'vitest'
import type { DriverUnderTest } from '../storage-driver.ts'
import {
  collect,
  distinctBytes,
  expectSameBytes,
  expectStorageError,
  filledNamesIn,
  namesIn,
  writeFile,
} from './support.ts'

export function describeRemoving(current: () => DriverUnderTest): void {
  describe('copy', () => {
    it('leaves the file, and what happens to one of the two does not change the other', async () => {
      const { driver, another } = current()
      const content = distinctBytes(1_500_000)
      await driver.put('/from/file', content)
      await driver.copy('/from/file', '/a/new/place')
      await driver.copy('/from/file', '/a/new/place')
      for (const path of ['/from/file', '/a/new/place'])
        expectSameBytes(await collect((await another()).read(path)), content)
      await driver.put('/from/file', Buffer.from('other'))
      expectSameBytes(await collect(driver.read('/a/new/place')), content)
      await driver.delete('/from/file')
      expectSameBytes(await collect(driver.read('/a/new/place')), content)
      expect(await namesIn(driver, '/a/new')).toEqual(['place'])
    })

    it('replaces what stood there, and to where it is changes nothing', async () => {
      const { driver } = current()
      await driver.put('/one', Buffer.from('one'))
      await driver.put('/two', Buffer.from('two, longer'))
      await driver.copy('/one', '/two')
      await driver.copy('/two', '/two')
      expect(Buffer.from(await driver.get('/two')).toString()).toBe('one')
      expect(await namesIn(driver, '/')).toEqual(['one', 'two'])
    })

    it('of what is not there fails, and leaves nothing behind', async () => {
      const { driver } = current()
      await driver.put('/file', Buffer.from('content'))
      await expectStorageError(driver.copy('/absent', '/file'), 'PATH_NOT_FOUND')
      await expectStorageError(driver.copy('/absent', '/new/folder/file'), 'PATH_NOT_FOUND')
      await expectStorageError(driver.copy('/file/below', '/new/folder/file'), 'PATH_NOT_FOUND')
      expect(Buffer.from(await driver.get('/file')).toString()).toBe('content')
      expect(await namesIn(driver, '/')).toEqual(['file'])
    })
  })

  describe('move', () => {
    it('puts a file in another place, in folders that are not there yet', async () => {
      const { driver } = current()
      const content = distinctBytes(1_500_000)
      await writeFile(driver, '/from/file', [Buffer.from(content)])
      await driver.move('/from/file', '/to/a/new/place')
      expectSameBytes(await collect(driver.read('/to/a/new/place')), content)
      await expectStorageError(driver.stat('/from/file'), 'PATH_NOT_FOUND')
      expect(await filledNamesIn(driver, '/from')).toEqual([])
    })

    it('replaces what stood there', async () => {
      const { driver } = current()
      await driver.put('/one', Buffer.from('one'))
      await driver.put('/two', Buffer.from('two, longer'))
      await driver.move('/one', '/two')
      expect(Buffer.from(await driver.get('/two')).toString()).toBe('one')
      expect(await namesIn(driver, '/')).toEqual(['two'])
    })

    it('to where it is changes nothing', async () => {
      const { driver } = current()
      await driver.put('/a/file', Buffer.from('content'))
      await driver.move('/a/file', '/a/file')
      expect(Buffer.from(await driver.get('/a/file')).toString()).toBe('content')
    })

    it('of what is not there fails, and leaves nothing behind', async () => {
      const { driver } = current()
      await driver.put('/two', Buffer.from('two'))
      await driver.put('/file', Buffer.from('content'))
      await expectStorageError(driver.move('/absent', '/two'), 'PATH_NOT_FOUND')
      await expectStorageError(driver.move('/absent', '/new/folder/file'), 'PATH_NOT_FOUND')
      await expectStorageError(driver.move('/file/below', '/new/folder/file'), 'PATH_NOT_FOUND')
      expect(Buffer.from(await driver.get('/two')).toString()).toBe('two')
      expect(await namesIn(driver, '/')).toEqual(['file', 'two'])
    })

    it('of many files to one place leaves one of them, whole', async () => {
      const { driver } = current()
      const contents = Array.from({ length: 20 }, (_, index) => Buffer.alloc(10_000 + index, index + 1))
      await Promise.all(contents.map((content, index) => driver.put(`/from/${index}`, content)))
      await Promise.all(contents.map((_, index) => driver.move(`/from/${index}`, '/new/to')))
      const content = await driver.get('/new/to')
      expectSameBytes(content, contents[content[0]! - 1]!)
      expect(await filledNamesIn(driver, '/from')).toEqual([])
    })

    it('of another version of a file than is meant does nothing', async () => {
      const { driver } = current()
      const stale = await writeFile(driver, '/one', [Buffer.from('o')])
      const version = await writeFile(driver, '/one', [Buffer.from('ne')])
      await driver.put('/two', Buffer.from('two'))
      for (const options of [{}, { replace: false, mayStay: true }]) {
        const meant = { ...options, version: stale }
        await expectStorageError(driver.move('/one', '/new/place', meant), 'OFFSET_INVALID')
        await expectStorageError(driver.move('/one', '/two', meant), 'OFFSET_INVALID')
        await expectStorageError(driver.move('/absent', '/two', meant), 'PATH_NOT_FOUND')
      }
      expect(Buffer.from(await driver.get('/one')).toString()).toBe('one')
      expect(Buffer.from(await driver.get('/two')).toString()).toBe('two')
      expect(await namesIn(driver, '/')).toEqual(['one', 'two'])
      const isMoved = await driver.move('/one', '/two', { version, replace: false, mayStay: true })
      expect(Buffer.from(await driver.get('/two')).toString()).toBe(isMoved ? 'one' : 'two')
    })

    it('of a file that somebody else has made longer since does nothing', async () => {
      const { driver } = current()
      const other = await current().another()
      const mine = await writeFile(driver, '/from/file', [Buffer.from('mine')])
      const version = await writeFile(other, '/from/file', [Buffer.from(' and more')])
      await expectStorageError(driver.move('/from/file', '/to', { version: mine }), 'OFFSET_INVALID')
      expect(await driver.move('/from/file', '/to', { version })).toBe(true)
      expect(Buffer.from(await driver.get('/to')).toString()).toBe('mine and more')
    })

    it('a file that was moved can be appended to', async () => {
      const { driver } = current()
      await writeFile(driver, '/one', [Buffer.from('one')])
      await driver.move('/one', '/two')
      await writeFile(driver, '/two', [Buffer.from(' more')])
      expect(Buffer.from(await driver.get('/two')).toString()).toBe('one more')
    })
  })

  describe('delete', () => {
    it.each([true, false])('removes a file and nothing else (durable: %s)', async (durable) => {
      const { driver } = current()
      for (const path of ['/a/file', '/a/file2', '/a/fil', '/b']) await driver.put(path, Buffer.from(path))
      await driver.delete('/a/file', { durable })
      await expectStorageError(driver.stat('/a/file'), 'PATH_NOT_FOUND')
      expect(await namesIn(driver, '/a')).toEqual(['fil', 'file2'])
      expect(await namesIn(driver, '/')).toEqual(['a', 'b'])
    })

    it.each([true, false])(
      'removes a folder with all that stands below it (durable: %s)',
      async (durable) => {
        const { driver } = current()
        const below = ['/a/file', '/a/b/c/file', '/a/b/d', '/a/e/file']
        for (const path of [...below, '/a.', '/ab/file']) await driver.put(path, Buffer.from(path))
        await driver.delete('/a', { durable })
        for (const path of ['/a', ...below]) await expectStorageError(driver.stat(path), 'PATH_NOT_FOUND')
        expect(await filledNamesIn(driver, '/')).toEqual(['a.', 'ab'])
      },
    )

    it('of what is not there is no error', async () => {
      const { driver } = current()
      await driver.put('/file', Buffer.from('content'))
      await driver.delete('/absent')
      await driver.delete('/absent/folder/file')
      await driver.delete('/file/below')
      await driver.delete('/absent', { durable: false })
      expect(Buffer.from(await driver.get('/file')).toString()).toBe('content')
    })

    it('what was deleted can be written again', async () => {
      const { driver } = current()
      await driver.put('/a/b/file', Buffer.from('old'))
      await driver.delete('/a')
      await driver.put('/a/b/file', Buffer.from('new'))
      expect(Buffer.from(await driver.get('/a/b/file')).toString()).toBe('new')
      await driver.delete('/a')
      await writeFile(driver, '/a/b/file', [Buffer.from('newer')])
      expect(Buffer.from(await driver.get('/a/b/file')).toString()).toBe('newer')
    })

    it('a reader that began earlier gets all the bytes', async () => {
      const { driver } = current()
      const content = distinctBytes(3_000_000)
      await writeFile(driver, '/a/file', [Buffer.from(content)])
      const reader = driver.read('/a/file')[Symbol.asyncIterator]()
      const chunks = [Buffer.from((await reader.next()).value)]
      await driver.delete('/a')
      for (let step = await reader.next(); step.done !== true; step = await reader.next()) {
        chunks.push(Buffer.from(step.value))
      }
      expectSameBytes(Buffer.concat(chunks), content)
    })

    it('a folder can be deleted while files are put into it', async () => {
      const { driver } = current()
      for (let round = 0; round < 20; round++) {
        const puts = Array.from({ length: 8 }, (_, index) =>
          driver.put(`/a/b/${index}/file`, Buffer.from('content')),
        )
        await Promise.all([...puts, driver.delete('/a'), driver.delete('/a/b')])
      }
      await driver.delete('/a')
      await expectStorageError(driver.stat('/a'), 'PATH_NOT_FOUND')
    })

    it('a folder can be deleted though others never cease to put files into it', async () => {
      const { driver } = current()
      let isDeleted = false
      const putOnAndOn = async (writer: number) => {
        do await driver.put(`/a/b/${writer}/file`, Buffer.from('content'), { durable: false })
        while (!isDeleted)
      }
      const puts = Array.from({ length: 24 }, (_, writer) => putOnAndOn(writer))
      try {
        for (let round = 0; round < 20; round++) await driver.delete('/a')
      } finally {
        isDeleted = true
        await Promise.all(puts)
      }
      await driver.delete('/a')
      expect(await filledNamesIn(driver, '/')).toEqual([])
    })
  })
}
