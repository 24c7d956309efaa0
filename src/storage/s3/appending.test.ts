import { describe, expect, test } from 'vitest'
import {
  collect,
  collectAll,
  distinctBytes,
  expectSameBytes,
  expectStorageError,
} from '../../../test/contract/storage-driver/support.ts'
import { MIB, S3Replicas, s3ServerForTests, s3Settings, skipReason } from '../../../test/support/s3-driver.ts'
import type { StorageDriver } from '../../core/storage-driver.ts'
import { Bucket } from './bucket.ts'
import { createClient } from './client.ts'
import type { S3Settings } from './settings.ts'

describe.skipIf(skipReason('versitygw'))(`objects that grow${skipReason('versitygw') ?? ''}`, () => {
  const server = s3ServerForTests('versitygw')
  const replicas = (settings: Partial<S3Settings> = {}) => S3Replicas.start(s3Settings(server(), settings))

  test('what is longer than a part is sent in parts, and what is behind them is safe too', async () => {
    await using place = await replicas()
    const content = distinctBytes(12 * MIB + 5)
    const writer = await write(await place.open(), { path: '/up/data', chunks: cut(content) })
    await writer.sync()
    const other = await place.open()
    expect(await other.stat('/up/data')).toMatchObject({ kind: 'file', size: content.length })
    expect(await uploadsIn(place)).toBe(1)
    expectSameBytes(await collect(other.read('/up/data')), content)
    expect(await uploadsIn(place)).toBe(0)
    expect(await keysIn(place)).toEqual(['up/data'])
  })

  test('what memory has no room for is the same, and can be gone on with', async () => {
    await using place = await S3Replicas.start(s3Settings(server()), { transferMemory: 0 })
    const content = distinctBytes(23 * MIB)
    const [first, rest] = [content.subarray(0, 12 * MIB + 5), content.subarray(12 * MIB + 5)]
    const writer = await write(await place.open(), { path: '/up/data', chunks: cut(first) })
    await writer.close()
    const other = await place.open()
    const second = await write(other, { path: '/up/data', offset: first.length, chunks: cut(rest) })
    await second.sync()
    await second.close()
    expectSameBytes(await collect(other.read('/up/data')), content)
  })

  test('replicas take turns, in chunks that are no parts', async () => {
    await using place = await replicas()
    const drivers = [await place.open(), await place.open(), await place.open()]
    const content = distinctBytes(23 * MIB)
    const chunks = cut(content, 2 * MIB + 1)
    let offset = 0
    for (const [turn, chunk] of chunks.entries()) {
      const driver = drivers[turn % drivers.length] as StorageDriver
      expect(await sizeOf(driver, '/up/data')).toBe(offset)
      const writer = await write(driver, { path: '/up/data', offset, chunks: [chunk] })
      await writer.sync()
      await writer.close()
      offset += chunk.length
    }
    expect(await drivers[1]?.move('/up/data', '/blob', { replace: false, mayStay: true })).toBe(true)
    expectSameBytes(await collect((drivers[2] as StorageDriver).read('/blob')), content)
  })

  test('what was not synced when a process was killed is gone, and the rest is gone on with', async () => {
    await using place = await replicas()
    const content = distinctBytes(30 * MIB)
    const first = await write(await place.open(), {
      path: '/up/data',
      chunks: [content.subarray(0, 11 * MIB)],
    })
    await first.sync()
    // Neither synced nor closed, as if the process had ended.
    for (const chunk of cut(distinctBytes(9 * MIB, 1))) await first.write(chunk)
    const driver = await place.open()
    expect(await sizeOf(driver, '/up/data')).toBe(11 * MIB)
    const second = await write(driver, {
      path: '/up/data',
      offset: 11 * MIB,
      chunks: cut(content.subarray(11 * MIB)),
    })
    await second.sync({ dataOnly: true })
    await second.close()
    expectSameBytes(await collect(driver.read('/up/data')), content)
  })

  test.each([1, 6 * MIB, 12 * MIB])(
    'of two that append %i bytes at once, one does and the other is told',
    async (length) => {
      await using place = await replicas()
      const drivers = [await place.open(), await place.open()]
      const contents = [distinctBytes(length, 1), distinctBytes(length, 2)]
      const outcomes = await Promise.allSettled(
        drivers.map(async (driver, index) => {
          const writer = await driver.append('/up/data', { offset: 0 })
          await writer.write(Buffer.from(contents[index] as Buffer))
          await writer.sync()
        }),
      )
      const winners = outcomes.flatMap(({ status }, index) => (status === 'fulfilled' ? [index] : []))
      expect(winners).toHaveLength(1)
      const loser = outcomes.find(({ status }) => status === 'rejected') as PromiseRejectedResult
      expect(loser.reason).toMatchObject({ code: 'OFFSET_INVALID' })
      const kept = await collect((await place.open()).read('/up/data'))
      expectSameBytes(kept, contents[winners[0] as number] as Buffer)
    },
  )

  test('one that goes on from what it believes, and is wrong, is told and changes nothing', async () => {
    await using place = await replicas()
    const [one, other] = [await place.open(), await place.open()]
    await (await write(one, { path: '/up/data', chunks: [Buffer.from('one ')] })).close()
    const early = await one.append('/up/data', { offset: 4 })
    await (await write(other, { path: '/up/data', offset: 4, chunks: [Buffer.from('two')] })).close()
    await early.write(Buffer.from('late'))
    await expectStorageError(early.sync(), 'OFFSET_INVALID')
    await expectStorageError(early.close(), 'OFFSET_INVALID')
    expect((await collect(one.read('/up/data'))).toString()).toBe('one two')
    await expectStorageError(one.append('/up/data', { offset: 4 }), 'OFFSET_INVALID')
  })

  test('another object of the same size is not moved in the place of the one that was written', async () => {
    await using place = await replicas()
    const [one, other] = [await place.open(), await place.open()]
    const writer = await write(one, { path: '/up/data', chunks: [Buffer.from('mine')] })
    await writer.close()
    const { version } = writer
    await other.put('/up/data', Buffer.from('evil'))
    await expectStorageError(one.move('/up/data', '/blob', { version, replace: false }), 'OFFSET_INVALID')
    await expectStorageError(one.stat('/blob'), 'PATH_NOT_FOUND')
  })

  test('a large object can be appended to: it is copied where it is', async () => {
    await using place = await replicas({ multipartcopychunksize: 6 * MIB })
    const driver = await place.open()
    const content = distinctBytes(14 * MIB)
    await driver.put('/file', content)
    const writer = await write(driver, {
      path: '/file',
      offset: content.length,
      chunks: [Buffer.from('more')],
    })
    await writer.sync()
    await writer.close()
    expect(await sizeOf(driver, '/file')).toBe(content.length + 4)
    expectSameBytes(await collect(driver.read('/file')), Buffer.concat([content, Buffer.from('more')]))
    expect(await keysIn(place)).toEqual(['file'])
  })

  test('a large object is copied in parts side by side', async () => {
    const copying = { multipartcopythresholdsize: 6 * MIB, multipartcopychunksize: 5 * MIB }
    await using place = await replicas(copying)
    const driver = await place.open()
    const content = distinctBytes(16 * MIB + 3)
    await driver.put('/from', content)
    expect(await driver.move('/from', '/to', { replace: false })).toBe(true)
    expectSameBytes(await collect(driver.read('/to')), content)
    await expectStorageError(driver.stat('/from'), 'PATH_NOT_FOUND')
    await driver.put('/again', content)
    expect(await driver.move('/again', '/to', { replace: false, mayStay: true })).toBe(false)
    expect(await uploadsIn(place)).toBe(0)
  })

  test('deleting a folder ends the uploads in it', async () => {
    await using place = await replicas()
    const driver = await place.open()
    const writer = await write(driver, { path: '/up/data', chunks: cut(distinctBytes(11 * MIB)) })
    await writer.sync()
    await writer.close()
    expect(await uploadsIn(place)).toBe(1)
    await driver.delete('/up')
    expect(await uploadsIn(place)).toBe(0)
    expect(await keysIn(place)).toEqual([])
  })

  test('deleting what is appended to ends its upload', async () => {
    await using place = await replicas()
    const driver = await place.open()
    await (await write(driver, { path: '/data', chunks: cut(distinctBytes(11 * MIB)) })).close()
    await driver.delete('/data')
    expect(await uploadsIn(place)).toBe(0)
    expect(await keysIn(place)).toEqual([])
  })

  test('a folder whose files are known is emptied of them, and of what the driver keeps beside them', async () => {
    await using place = await replicas()
    const driver = await place.open()
    await driver.put('/up/startedat', Buffer.from('now'))
    await driver.put('/up/other', Buffer.from('stays'))
    const writer = await write(driver, { path: '/up/data', chunks: cut(distinctBytes(11 * MIB)) })
    await writer.sync()
    await driver.move('/up/data', '/blob', { replace: false, mayStay: true })
    await driver.delete('/up', { knownChildren: ['startedat', 'data', 'absent'] })
    expect(await keysIn(place)).toEqual(['blob', 'up/other'])
  })

  test('incomplete uploads are the multipart uploads that no record names', async () => {
    await using place = await replicas()
    const driver = await place.open()
    const owned = await write(driver, { path: '/owned/data', chunks: cut(distinctBytes(11 * MIB)) })
    await owned.sync()
    const bucket = bucketOf(place)
    await bucket.createUpload(`${place.settings.rootdirectory}/abandoned/data`)
    const found = await collectAll(driver.incompleteUploads())
    expect(found.map(({ path }) => path)).toEqual(['/abandoned/data'])
    expect(Date.now() - (found[0]?.modifiedAt.getTime() ?? 0)).toBeLessThan(60_000)
    await found[0]?.remove()
    expect(await uploadsIn(place)).toBe(1)
    await owned.close()
    expectSameBytes(await collect(driver.read('/owned/data')), distinctBytes(11 * MIB))
  })

  test('a writer that fails leaves no upload behind', async () => {
    await using place = await replicas()
    const driver = await place.open()
    const writer = await driver.append('/data', { offset: 0 })
    await (await place.open()).put('/data', Buffer.from('somebody else'))
    for (const chunk of cut(distinctBytes(11 * MIB))) await writer.write(chunk)?.catch(() => undefined)
    await expectStorageError(writer.sync(), 'OFFSET_INVALID')
    expect(writer.size).toBe(0)
    await expectStorageError(writer.close(), 'OFFSET_INVALID')
    expect(await uploadsIn(place)).toBe(0)
    expect(Buffer.from(await driver.get('/data')).toString()).toBe('somebody else')
  })
})

function cut(content: Buffer, length = MIB): Buffer[] {
  const count = Math.ceil(content.length / length)
  return Array.from({ length: count }, (_, index) => content.subarray(index * length, (index + 1) * length))
}

async function write(
  driver: StorageDriver,
  { path, offset, chunks }: { path: string; offset?: number; chunks: readonly Buffer[] },
) {
  const writer = await driver.append(path, offset === undefined ? {} : { offset })
  for (const chunk of chunks) await writer.write(Buffer.from(chunk))
  return writer
}

async function sizeOf(driver: StorageDriver, path: string): Promise<number> {
  const info = await driver.stat(path).catch(() => undefined)
  return info?.kind === 'file' ? info.size : 0
}

function bucketOf({ settings, logged }: S3Replicas): Bucket {
  return new Bucket(createClient(settings, { log: logged.log }), settings)
}

async function uploadsIn(place: S3Replicas): Promise<number> {
  const bucket = bucketOf(place)
  const uploads = await collectAll(bucket.openUploads(place.settings.rootdirectory))
  bucket.close()
  return uploads.length
}

async function keysIn(place: S3Replicas): Promise<string[]> {
  const bucket = bucketOf(place)
  const root = `${place.settings.rootdirectory}/`
  const pages = await collectAll(bucket.pages(root))
  bucket.close()
  return pages.flat().map((key) => key.slice(root.length))
}
