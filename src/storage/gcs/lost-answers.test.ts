import { beforeEach, expect, it } from 'vitest'
import { expectStorageError, namesIn, writeFile } from '../../../test/contract/storage-driver/support.ts'
import { describeOnGcs, openForEach } from '../../../test/support/gcs-under-test.ts'
import type { StorageDriver } from '../../core/storage-driver.ts'

describeOnGcs('an answer of gcs that is lost', (current) => {
  const opened = openForEach(current)
  let driver: StorageDriver
  beforeEach(() => {
    driver = opened().driver
  })

  it('of a new file: it is there, and the writer goes on', async () => {
    current().server.front.failFirst(/^POST \/upload/, { loseAnswer: true })
    const writer = await driver.append('/file')
    await writer.write(Buffer.from('one '))
    await writer.sync()
    expect(current().server.front.requestsLike(/^POST \/upload/)).toHaveLength(2)
    await writer.write(Buffer.from('two'))
    await writer.close()
    expect(Buffer.from(await driver.get('/file')).toString()).toBe('one two')
  })

  it('of a composition: it was done once', async () => {
    await driver.put('/file', Buffer.from('one '))
    current().server.front.failFirst(/compose/, { loseAnswer: true })
    await writeFile(driver, '/file', [Buffer.from('two')])
    expect(current().server.front.requestsLike(/compose/)).toHaveLength(2)
    expect(Buffer.from(await driver.get('/file')).toString()).toBe('one two')
  })

  it('however often it was asked for', async () => {
    await driver.put('/file', Buffer.from('one '))
    current().server.front.failFirst(/compose/, { loseAnswer: true }, 1000)
    await writeFile(driver, '/file', [Buffer.from('two')])
    expect(Buffer.from(await driver.get('/file')).toString()).toBe('one two')
  })

  it('of a composition after which somebody else wrote: the writer fails', async () => {
    await driver.put('/file', Buffer.from('one '))
    const writer = await driver.append('/file')
    await writer.write(Buffer.from('two'))
    const gate = Promise.withResolvers<void>()
    let composed = 0
    current().server.front.fault = ({ url }) => {
      if (!url?.includes('compose')) return undefined
      return composed++ === 0 ? { loseAnswer: true } : { waitFor: gate.promise }
    }
    const syncing = writer.sync()
    await expect.poll(() => composed).toBe(2)
    await driver.put('/file', Buffer.from('other'))
    gate.resolve()
    await expectStorageError(syncing, 'OFFSET_INVALID')
    expect(Buffer.from(await driver.get('/file')).toString()).toBe('other')
  })

  it('of a move to where nothing stood: it was moved', async () => {
    await driver.put('/from', Buffer.from('content'))
    current().server.front.failFirst(/rewriteTo/, { loseAnswer: true })
    expect(await driver.move('/from', '/to', { replace: false })).toBe(true)
    expect(await namesIn(driver, '/')).toEqual(['to'])
  })
})
