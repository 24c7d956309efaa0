import { beforeEach, describe, expect, it } from 'vitest'
import {
  collect,
  collectAll,
  expectStorageError,
  writeFile,
} from '../../../test/contract/storage-driver/support.ts'
import { describeOnGcs, openForEach } from '../../../test/support/gcs-under-test.ts'
import type { StorageDriver } from '../../core/storage-driver.ts'
import { GcsDriver } from '../gcs.ts'

describeOnGcs('what gcs refuses', (current) => {
  const opened = openForEach(current)
  let driver: StorageDriver
  beforeEach(() => {
    driver = opened().driver
  })

  const everything: [string, (driver: StorageDriver) => Promise<unknown>][] = [
    ['stat', (driver) => driver.stat('/file')],
    ['get', (driver) => driver.get('/file')],
    ['read', (driver) => collect(driver.read('/file'))],
    ['put', (driver) => driver.put('/file', Buffer.from('x'))],
    ['append', (driver) => writeFile(driver, '/file', [Buffer.from('x')])],
    ['list', (driver) => collectAll(driver.list('/folder'))],
    ['move', (driver) => driver.move('/file', '/other')],
    ['getState', (driver) => driver.getState('/file')],
    ['swapState', (driver) => driver.swapState('/state', Buffer.from('x'), undefined)],
    ['delete', (driver) => driver.delete('/file')],
    ['incompleteUploads', (driver) => collectAll(driver.incompleteUploads())],
  ]

  describe.each(everything)('%s', (_name, work) => {
    beforeEach(() => driver.put('/file', Buffer.from('content')))

    it.each([
      [408, 'BUSY'],
      [429, 'BUSY'],
      [503, 'BUSY'],
      [401, 'BACKEND_FAILED'],
      [403, 'BACKEND_FAILED'],
      [500, 'BACKEND_FAILED'],
    ] as const)('%i is told as %s', async (status, code) => {
      current().server.front.failFirst(/./, { status }, 1000)
      const error = await expectStorageError(work(driver), code)
      expect(error.message).toContain(`${status} as the test wants it`)
      expect(error.cause).toBeInstanceOf(Error)
    })

    it('a moment of 503 is waited for', async () => {
      current().server.front.failFirst(/./, { status: 503 }, 2)
      await work(driver)
    })

    it('a missing bucket is not a missing file', async () => {
      await current().server.deleteBucketWithAll(opened().bucket)
      const error = await expectStorageError(work(driver), 'BACKEND_FAILED')
      expect(error.message).toContain(`the bucket ${opened().bucket} does not exist`)
    })
  })

  it('a server that is gone is told as BUSY', async () => {
    const { server } = current()
    const bucket = await server.createBucket()
    const other = await GcsDriver.open({ ...(await current().options({ bucket })) })
    await server.front.away(async () => {
      for (const [, work] of everything) await expectStorageError(work(other), 'BUSY')
    })
    await other.close()
  })

  it('a server that says nothing is told as BUSY', async () => {
    const { driver, close } = await current().open({ idleMs: 100 })
    await driver.put('/file', Buffer.from('content'))
    const gate = Promise.withResolvers<void>()
    current().server.front.fault = () => ({ waitFor: gate.promise })
    for (const [, work] of everything) {
      const error = await expectStorageError(work(driver), 'BUSY')
      expect(error.message).toContain('no data for 0.1 s')
    }
    gate.resolve()
    await close()
  })

  it('a path that is longer than names may be is refused to writers, and not there for readers', async () => {
    const path = `/${Array.from({ length: 5 }, () => 'n'.repeat(220)).join('/')}`
    await expectStorageError(driver.put(path, Buffer.from('x')), 'PATH_INVALID')
    await expectStorageError(driver.append(path), 'PATH_INVALID')
    await expectStorageError(driver.get(path), 'PATH_NOT_FOUND')
    await expectStorageError(driver.stat(path), 'PATH_NOT_FOUND')
  })
})
