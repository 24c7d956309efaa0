import { beforeEach, describe, expect, it } from 'vitest'
import {
  collect,
  distinctBytes,
  expectStorageError,
  namesIn,
  writeFile,
} from '../../../test/contract/storage-driver/support.ts'
import { describeOnGcs, openForEach } from '../../../test/support/gcs-under-test.ts'

const CHUNK = 256 * 1024

import type { StorageDriver } from '../../core/storage-driver.ts'

describeOnGcs('what Distribution shares with the driver gcs', (current) => {
  const opened = openForEach(current)
  let driver: StorageDriver
  beforeEach(() => {
    driver = opened().driver
  })

  it("an object is named by the root and the path, and is of a blob's type", async () => {
    const { driver, bucket, close } = await current().open({ rootdirectory: '/some/root/' })
    await driver.put('/docker/registry/v2/put', Buffer.from('content'))
    await writeFile(driver, '/docker/registry/v2/appended', [distinctBytes(3 * CHUNK)])
    await driver.move('/docker/registry/v2/put', '/docker/registry/v2/moved')
    await close()
    expect(await current().server.objects(bucket)).toEqual({
      'some/root/docker/registry/v2/appended': expect.objectContaining({
        contentType: 'application/octet-stream',
      }),
      'some/root/docker/registry/v2/moved': expect.objectContaining({
        contentType: 'application/octet-stream',
      }),
    })
  })

  describe('an upload of its own that is under way', () => {
    const session = {
      name: 'uploads/data',
      content: 'the last bytes so far',
      contentType: 'application/x-docker-upload-session',
      metadata: { 'Session-URI': 'https://storage.googleapis.com/upload', Offset: '262144' },
    }
    beforeEach(() => current().server.insert(opened().bucket, session))

    it('is not there for readers', async () => {
      await driver.put('/uploads/startedat', Buffer.from('2026-01-02T15:04:05Z'))
      await expectStorageError(driver.stat('/uploads/data'), 'PATH_NOT_FOUND')
      await expectStorageError(driver.get('/uploads/data'), 'PATH_NOT_FOUND')
      await expectStorageError(collect(driver.read('/uploads/data')), 'PATH_NOT_FOUND')
      const range = { start: 0, end: 2 }
      await expectStorageError(collect(driver.read('/uploads/data', { range })), 'PATH_NOT_FOUND')
      await expectStorageError(driver.move('/uploads/data', '/blob'), 'PATH_NOT_FOUND')
      expect(await namesIn(driver, '/uploads')).toEqual(['startedat'])
    })

    it('goes with its folder', async () => {
      await driver.delete('/uploads')
      expect(await current().server.objects(opened().bucket)).toEqual({})
    })

    it('is replaced by what is appended from the start, and by nothing else', async () => {
      await expectStorageError(driver.append('/uploads/data', { offset: 21 }), 'OFFSET_INVALID')
      const writer = await driver.append('/uploads/data', { offset: 0 })
      await writer.write(Buffer.from('anew'))
      await writer.close()
      expect(Buffer.from(await driver.get('/uploads/data')).toString()).toBe('anew')
    })
  })
})
