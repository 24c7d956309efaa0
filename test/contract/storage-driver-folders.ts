import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { expectStorageError, namesIn } from './storage-driver/support.ts'
import type { DriverUnderTest } from './storage-driver.ts'

/** What holds for drivers in which folders are real: a path is a file or a folder, never both. In a bucket, where a
 *  folder is only the front of some names, it can be. */
export function describeFolders(name: string, open: () => Promise<DriverUnderTest>): void {
  describe(`the folders of the storage driver ${name}`, () => {
    let opened: DriverUnderTest
    beforeEach(async () => {
      opened = await open()
      await opened.driver.put('/folder/file', Buffer.from('content'))
      await opened.driver.put('/other', Buffer.from('other'))
    })
    afterEach(() => opened.close())

    it('nothing is written where a folder stands', async () => {
      const { driver } = opened
      await expectStorageError(driver.put('/folder', Buffer.from('x')), 'PATH_INVALID')
      await expectStorageError(driver.append('/folder'), 'PATH_INVALID')
      await expectStorageError(driver.move('/other', '/folder'), 'PATH_INVALID')
      expect(await namesIn(driver, '/')).toEqual(['folder', 'other'])
      expect(await namesIn(driver, '/folder')).toEqual(['file'])
    })

    it('nothing is written below a file', async () => {
      const { driver } = opened
      await expectStorageError(driver.put('/folder/file/below', Buffer.from('x')), 'PATH_INVALID')
      await expectStorageError(driver.put('/folder/file/far/below', Buffer.from('x')), 'PATH_INVALID')
      await expectStorageError(driver.append('/folder/file/below'), 'PATH_INVALID')
      await expectStorageError(driver.move('/other', '/folder/file/below'), 'PATH_INVALID')
      expect(Buffer.from(await driver.get('/folder/file')).toString()).toBe('content')
      expect(Buffer.from(await driver.get('/other')).toString()).toBe('other')
    })
  })
}
