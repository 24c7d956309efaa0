import { describe, expect, it } from 'vitest'
import type { DriverUnderTest } from '../storage-driver.ts'
import { collect, collectAll, expectStorageError, namesIn } from './support.ts'

const INVALID = [
  '',
  '/',
  'a',
  'a/b',
  '/a/',
  '//a',
  '/a//b',
  '/.',
  '/..',
  '/a/../b',
  '/a/./b',
  '/a/..',
  '/a b',
  '/a\0b',
  '/a\n',
  '/ä',
  '/a:b',
  '/a\\b',
]

const DEEP = `/${Array.from({ length: 60 }, (_, depth) => `level-${depth}`).join('/')}`

export function describePaths(current: () => DriverUnderTest, maxNameBytes: number): void {
  const longestName = 'n'.repeat(maxNameBytes)
  describe('paths', () => {
    it.each(INVALID)('%j is refused by every method', async (path) => {
      const { driver } = current()
      await expectStorageError(driver.stat(path), 'PATH_INVALID')
      await expectStorageError(driver.get(path), 'PATH_INVALID')
      await expectStorageError(collect(driver.read(path)), 'PATH_INVALID')
      await expectStorageError(driver.put(path, Buffer.from('x')), 'PATH_INVALID')
      await expectStorageError(driver.append(path), 'PATH_INVALID')
      await expectStorageError(driver.delete(path), 'PATH_INVALID')
      await expectStorageError(driver.settle(path), 'PATH_INVALID')
      await expectStorageError(driver.getState(path), 'PATH_INVALID')
      await expectStorageError(driver.swapState(path, Buffer.from('x'), undefined), 'PATH_INVALID')
      await expectStorageError(driver.redirectUrl(path), 'PATH_INVALID')
      await driver.put('/here', Buffer.from('x'))
      await expectStorageError(driver.move(path, '/there'), 'PATH_INVALID')
      await expectStorageError(driver.move('/here', path), 'PATH_INVALID')
    })

    it.each(INVALID.filter((path) => path !== '/'))('%j is refused for a listing', async (path) => {
      await expectStorageError(collectAll(current().driver.list(path)), 'PATH_INVALID')
    })

    it.each(['/...', '/.a', '/a..b', '/-', '/_', '/A.B-c_0/..d', '/x.tmp'])('%j is a path', async (path) => {
      const { driver } = current()
      await driver.put(path, Buffer.from('content'))
      expect(Buffer.from(await driver.get(path)).toString()).toBe('content')
    })

    it.each([
      ['a name as long as it may be', `/folder/${longestName}`],
      ['a folder with a name as long as it may be', `/${longestName}/file`],
      ['a path of 60 components', DEEP],
    ])('%s can be put, appended to, listed, moved and deleted', async (_what, path) => {
      const { driver } = current()
      const folder = path.slice(0, path.lastIndexOf('/'))
      const name = path.slice(folder.length + 1)
      await driver.put(path, Buffer.from('one'))
      await driver.put(path, Buffer.from('two'))
      const writer = await driver.append(path, { offset: 3 })
      await writer.write(Buffer.from(' and three'))
      await writer.sync()
      await writer.close()
      expect(await namesIn(driver, folder)).toEqual([name])
      await driver.move(path, '/elsewhere')
      await driver.move('/elsewhere', path)
      expect((await collect(driver.read(path))).toString()).toBe('two and three')
      await driver.delete(path)
      await expectStorageError(driver.stat(path), 'PATH_NOT_FOUND')
    })

    it('names that differ in case are different files', async () => {
      const { driver } = current()
      await driver.put('/Name', Buffer.from('upper'))
      await driver.put('/name', Buffer.from('lower'))
      expect(Buffer.from(await driver.get('/Name')).toString()).toBe('upper')
    })
  })
}
