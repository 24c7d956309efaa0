import { beforeEach, expect, it } from 'vitest'
import {
  collect,
  collectAll,
  distinctBytes,
  expectSameBytes,
  expectStorageError,
  namesIn,
  writeFile,
} from '../../../test/contract/storage-driver/support.ts'
import { describeOnGcs, openForEach } from '../../../test/support/gcs-under-test.ts'

const CHUNK = 256 * 1024

import type { StorageDriver } from '../../core/storage-driver.ts'

describeOnGcs('appending to objects of gcs', (current) => {
  const opened = openForEach(current)
  let driver: StorageDriver
  beforeEach(() => {
    driver = opened().driver
  })

  it('a new file that fits into a chunk is one call, and its move another', async () => {
    const writer = await driver.append('/file', { offset: 0 })
    await writer.write(distinctBytes(CHUNK))
    await writer.sync()
    await writer.close()
    const { version } = writer
    expect(await driver.move('/file', '/to', { version, replace: false, mayStay: true })).toBe(true)
    expect(current().server.front.requests).toEqual([
      expect.stringMatching(/^POST \/upload/),
      expect.stringMatching(/^POST .*rewriteTo/),
    ])
  })

  it('a file of a version is gone on with, finished without a byte and moved without a look', async () => {
    const first = await writeFile(driver, '/file', [Buffer.from('one ')])
    const { front } = current().server
    front.forget()
    const writer = await (await opened().another()).append('/file', { offset: 4, version: first })
    await writer.write(Buffer.from('two'))
    await writer.sync()
    await writer.close()
    const { version } = writer
    const last = await driver.append('/file', { offset: 7, version })
    await last.sync({ dataOnly: true })
    await last.close()
    expect(last.version).toBe(version)
    expect(await driver.move('/file', '/to', { version, replace: false, mayStay: true })).toBe(true)
    expect(front.requestsLike(/^(GET|POST) .*\/o\/|upload/)).toEqual([
      expect.stringMatching(/^POST \/upload/),
      expect.stringMatching(/^POST .*compose/),
      expect.stringMatching(/^POST .*rewriteTo/),
    ])
    expect(Buffer.from(await driver.get('/to')).toString()).toBe('one two')
  })

  it('without a version what stands there is gone on with', async () => {
    await writeFile(driver, '/file', [Buffer.from('one ')])
    await driver.put('/file', Buffer.from('uno '))
    for (const [offset, text] of [
      [4, 'two'],
      [7, ' three'],
    ] as const) {
      const writer = await driver.append('/file', { offset })
      await writer.write(Buffer.from(text))
      await writer.close()
    }
    expect(Buffer.from(await driver.get('/file')).toString()).toBe('uno two three')
    expect(await driver.move('/file', '/to')).toBe(true)
  })

  it('what begins takes an empty file for its own, and no other', async () => {
    await driver.put('/file', Buffer.alloc(0))
    const writer = await driver.append('/file', { offset: 0 })
    await writer.write(Buffer.from('filled'))
    await writer.close()
    expect(Buffer.from(await driver.get('/file')).toString()).toBe('filled')
    const late = await driver.append('/file', { offset: 0 })
    await late.write(Buffer.from('filler'))
    await expectStorageError(late.close(), 'OFFSET_INVALID')
    expect(late.version).toBeUndefined()
    expect(Buffer.from(await driver.get('/file')).toString()).toBe('filled')
  })

  it('a chunk more is two pieces and a composition', async () => {
    const content = distinctBytes(CHUNK + 1)
    await writeFile(driver, '/file', [Buffer.from(content)])
    expect(current().server.front.requestsLike(/^POST .*upload/)).toHaveLength(2)
    expect(current().server.front.requestsLike(/compose/)).toHaveLength(1)
    expectSameBytes(await collect(driver.read('/file')), content)
  })

  it.each([31, 32, 33, 70])('%i chunks are composed in their order, behind what was there', async (count) => {
    const old = distinctBytes(10, 1)
    await driver.put('/file', old)
    const content = distinctBytes(count * CHUNK - 1)
    await writeFile(driver, '/file', [Buffer.from(content)])
    expectSameBytes(await collect(driver.read('/file')), Buffer.concat([old, content]))
    await opened().close()
    expect(Object.keys(await current().server.objects(opened().bucket))).toEqual(['file'])
  })

  it('no file is seen before a sync, and no piece ever', async () => {
    const writer = await driver.append('/file')
    await writer.write(distinctBytes(3 * CHUNK))
    await expect.poll(() => current().server.objects(opened().bucket)).not.toEqual({})
    await expectStorageError(driver.stat('/file'), 'PATH_NOT_FOUND')
    expect(await namesIn(driver, '/')).toEqual([])
    await writer.close()
    expect(await namesIn(driver, '/')).toEqual(['file'])
  })

  it.each([
    ['new', 10],
    ['new', 2 * CHUNK],
    ['old', 10],
    ['old', 2 * CHUNK],
  ])(
    'of two that append to one %s file, one fails and nothing is mixed: %i bytes',
    async (age, byteCount) => {
      if (age === 'old') await driver.put('/file', Buffer.from('old '))
      const writers = await Promise.all([driver.append('/file'), (await opened().another()).append('/file')])
      const contents = [distinctBytes(byteCount, 1), distinctBytes(byteCount, 2)]
      const before = writers[0]?.size ?? 0
      const outcomes = await Promise.allSettled(
        writers.map(async (writer, index) => {
          await writer.write(Buffer.from(contents[index] as Buffer))
          await writer.sync()
        }),
      )
      const winner = outcomes.findIndex(({ status }) => status === 'fulfilled')
      expect(outcomes.map(({ status }) => status).sort()).toEqual(['fulfilled', 'rejected'])
      expect(outcomes[1 - winner]).toMatchObject({ reason: { code: 'OFFSET_INVALID' } })
      expect(writers[1 - winner]?.size).toBe(before)
      await expectStorageError(writers[1 - winner]!.close(), 'OFFSET_INVALID')
      const content = await collect(driver.read('/file'))
      expectSameBytes(content.subarray(before), contents[winner] as Buffer)
      await writers[winner]?.close()
      await opened().close()
      expect(Object.keys(await current().server.objects(opened().bucket))).toEqual(['file'])
    },
  )

  it('a writer whose file somebody else put anew or removed fails', async () => {
    for (const change of [() => driver.put('/file', Buffer.from('new')), () => driver.delete('/file')]) {
      await driver.put('/file', Buffer.from('old'))
      const writer = await driver.append('/file')
      await writer.write(Buffer.from('more'))
      await change()
      await expectStorageError(writer.sync(), 'OFFSET_INVALID')
    }
  })

  it('another driver goes on where the last sync was, whatever a killed one has uploaded since', async () => {
    const first = await driver.append('/file')
    await first.write(Buffer.from('synced '))
    await first.sync()
    await first.write(distinctBytes(2 * CHUNK + 1))
    const other = await opened().another()
    await expect.poll(async () => (await collectAll(other.incompleteUploads())).length).toBe(2)
    const second = await other.append('/file', { offset: 7 })
    await second.write(Buffer.from('and more'))
    await second.close()
    expect(Buffer.from(await other.get('/file')).toString()).toBe('synced and more')
    for await (const incomplete of other.incompleteUploads()) {
      expect(incomplete.path).toBe('/file')
      expect(Math.abs(incomplete.modifiedAt.getTime() - Date.now())).toBeLessThan(60_000)
      await incomplete.remove()
    }
    expect(Object.keys(await current().server.objects(opened().bucket))).toEqual(['file'])
  })

  it('a caller is asked to wait while pieces are on their way', async () => {
    const gate = Promise.withResolvers<void>()
    current().server.front.fault = ({ url }) =>
      url?.startsWith('/upload') ? { waitFor: gate.promise } : undefined
    const writer = await driver.append('/file')
    expect(writer.write(distinctBytes(4 * CHUNK))).toBeUndefined()
    const asked = writer.write(distinctBytes(CHUNK))
    expect(asked).toBeInstanceOf(Promise)
    gate.resolve()
    await asked
    await writer.close()
    expect(await driver.stat('/file')).toMatchObject({ size: 5 * CHUNK })
  })

  it('a piece that cannot be uploaded breaks the writer, and nothing of it stays', async () => {
    await driver.put('/file', Buffer.from('old'))
    current().server.front.failFirst(/^POST \/upload/, { status: 403 })
    const writer = await driver.append('/file')
    await writer.write(distinctBytes(3 * CHUNK))
    await expectStorageError(writer.sync(), 'BACKEND_FAILED')
    await expectStorageError(Promise.resolve(writer.write(Buffer.from('x'))), 'BACKEND_FAILED')
    await expectStorageError(writer.close(), 'BACKEND_FAILED')
    expect(writer.size).toBe(3)
    await opened().close()
    await expect
      .poll(async () => Object.keys(await current().server.objects(opened().bucket)))
      .toEqual(['file'])
  })
})
