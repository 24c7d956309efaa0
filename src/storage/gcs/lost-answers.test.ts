import { beforeEach, describe, expect, it } from 'vitest'
import { expectStorageError, namesIn, writeFile } from '../../../test/contract/storage-driver/support.ts'
import type { Fault } from '../../../test/support/gcs-front.ts'
import { describeOnGcs, openForEach } from '../../../test/support/gcs-under-test.ts'
import type { FileVersion, StorageDriver } from '../../core/storage-driver.ts'

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

  it('of a move whose source somebody has removed since: it was moved', async () => {
    const version = await writeFile(driver, '/from', [Buffer.from('content')])
    const [repeated, goOn] = loseThenHold(/rewriteTo/)
    const moving = driver.move('/from', '/to', { version })
    await repeated
    await (await opened().another()).delete('/from')
    goOn()
    expect(await moving).toBe(true)
    expect(Buffer.from(await driver.get('/to')).toString()).toBe('content')
  })

  it('of a new file that others have removed and begun again, as long as it was: the writer fails', async () => {
    const writer = await driver.append('/file', { offset: 0 })
    await writer.write(Buffer.from('mine'))
    const [repeated, goOn] = loseThenHold(/^POST \/upload/)
    const closing = writer.close()
    await repeated
    current().server.front.fault = () => undefined
    const other = await opened().another()
    await other.delete('/file')
    await writeFile(other, '/file', [Buffer.from('evil')])
    goOn()
    await expectStorageError(closing, 'OFFSET_INVALID')
    expect(writer.version).toBeUndefined()
    expect(Buffer.from(await driver.get('/file')).toString()).toBe('evil')
  })

  describe('of a state', () => {
    const swap = (text: string, expected?: FileVersion) =>
      driver.swapState('/state', Buffer.from(text), expected)

    it('that was swapped: it was', async () => {
      current().server.front.failFirst(/^POST \/upload/, { loseAnswer: true })
      const first = await swap('one')
      expect(await driver.getState('/state')).toEqual({ content: Buffer.from('one'), version: first })
      expect(await swap('two', first)).toBeDefined()
    })

    it('that somebody else has swapped before: it was not', async () => {
      const first = await swap('one')
      const [repeated, goOn] = loseThenHold(/^POST \/upload/, { status: 503 })
      const swapping = swap('two', first)
      await repeated
      current().server.front.fault = () => undefined
      await (await opened().another()).swapState('/state', Buffer.from('uno'), first)
      goOn()
      expect(await swapping).toBeUndefined()
    })

    it('that was followed by others: nobody can say', async () => {
      const first = await swap('one')
      const [repeated, goOn] = loseThenHold(/^POST \/upload/)
      const swapping = swap('two', first)
      await repeated
      current().server.front.fault = () => undefined
      const other = await opened().another()
      const second = await other.getState('/state')
      await other.swapState('/state', Buffer.from('three'), second?.version)
      goOn()
      await expectStorageError(swapping, 'BUSY')
      expect(Buffer.from(await driver.get('/state')).toString()).toBe('three')
    })

    it('that breaks in the midst of its bytes: it is read again, whichever it is by then', async () => {
      await swap('one')
      current().server.front.failFirst(/alt=media/, { breakAfter: 1 })
      expect(Buffer.from((await driver.getState('/state'))!.content).toString()).toBe('one')
    })
  })

  /** Makes the first matching request fail, and holds the next one.
   *  @returns a promise that resolves when that one has arrived, and a function that lets it go on */
  function loseThenHold(pattern: RegExp, first: Fault = { loseAnswer: true }): [Promise<void>, () => void] {
    const gate = Promise.withResolvers<void>()
    const repeated = Promise.withResolvers<void>()
    let count = 0
    current().server.front.fault = ({ method, url }) => {
      if (!pattern.test(`${method} ${url}`)) return undefined
      if (count++ === 0) return first
      repeated.resolve()
      return { waitFor: gate.promise }
    }
    return [repeated.promise, gate.resolve]
  }
})
