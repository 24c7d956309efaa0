import { beforeEach, describe, expect, it } from 'vitest'
import {
  collect,
  distinctBytes,
  expectSameBytes,
  expectStorageError,
  writeFile,
} from '../../../test/contract/storage-driver/support.ts'
import { describeOnGcs, openForEach } from '../../../test/support/gcs-under-test.ts'
import type { FileVersion, StorageDriver } from '../../core/storage-driver.ts'

const CHUNK = 256 * 1024

describeOnGcs('what two drivers over gcs make of one file', (current) => {
  const opened = openForEach(current)
  let driver: StorageDriver
  let other: StorageDriver
  beforeEach(async () => {
    driver = opened().driver
    other = await opened().another()
  })
  const text = async (path: string) => Buffer.from(await driver.get(path)).toString()

  /** Another process removes the file and writes a new one of the same size. */
  async function begunAgain(content: string | Buffer): Promise<FileVersion> {
    await other.delete('/file')
    return writeFile(other, '/file', [Buffer.from(content)])
  }

  describe('begun again with as many bytes', () => {
    let version: FileVersion
    beforeEach(async () => {
      version = await writeFile(driver, '/file', [Buffer.from('good')])
      await begunAgain('evil')
    })

    it.each([1, 2 * CHUNK])('it is not gone on with: %i bytes', async (byteCount) => {
      const writer = await driver.append('/file', { offset: 4, version })
      await writer.write(distinctBytes(byteCount))
      await expectStorageError(writer.sync(), 'OFFSET_INVALID')
      await expectStorageError(writer.close(), 'OFFSET_INVALID')
      expect(writer.version).toBeUndefined()
      expect(await text('/file')).toBe('evil')
      await opened().close()
      expect(Object.keys(await current().server.objects(opened().bucket))).toEqual(['file'])
    })

    it('it is not finished without a byte', async () => {
      const writer = await driver.append('/file', { offset: 4, version })
      await expectStorageError(writer.close(), 'OFFSET_INVALID')
      // If the move comes next, the move reports it.
      const last = await driver.append('/file', { offset: 4, version })
      await last.sync({ dataOnly: true })
      await last.close()
      await expectStorageError(driver.move('/file', '/to', { version: last.version }), 'OFFSET_INVALID')
      await expectStorageError(driver.stat('/to'), 'PATH_NOT_FOUND')
    })

    it('it is neither read nor moved, also where it need not be replaced', async () => {
      await driver.put('/to', Buffer.from('old'))
      await expectStorageError(collect(driver.read('/file', { version })), 'OFFSET_INVALID')
      const range = { start: 1, end: 2 }
      await expectStorageError(collect(driver.read('/file', { version, range })), 'OFFSET_INVALID')
      for (const replace of [true, false]) {
        await expectStorageError(driver.move('/file', '/to', { version, replace }), 'OFFSET_INVALID')
        await expectStorageError(driver.move('/file', '/file', { version, replace }), 'OFFSET_INVALID')
      }
      expect(await text('/to')).toBe('old')
      await other.delete('/file')
      await expectStorageError(collect(driver.read('/file', { version })), 'PATH_NOT_FOUND')
      await expectStorageError(driver.move('/file', '/to', { version }), 'PATH_NOT_FOUND')
    })
  })

  it.each([
    ['good', 'evil'],
    ['', ''],
  ])('a writer that stands still meanwhile fails at its next composition: %j', async (good, evil) => {
    const writer = await driver.append('/file', { offset: 0 })
    await writer.write(Buffer.from(good))
    await writer.sync()
    await begunAgain(evil)
    await writer.write(distinctBytes(2 * CHUNK))
    await expectStorageError(writer.sync(), 'OFFSET_INVALID')
    expect(await text('/file')).toBe(evil)
  })

  it('a writer that stands still fails where somebody has taken its file over without a byte', async () => {
    const version = await writeFile(driver, '/file', [Buffer.from('good')])
    const late = await driver.append('/file', { offset: 4, version })
    await late.write(Buffer.from(' and late'))
    const taker = await other.append('/file', { offset: 4 })
    await taker.close()
    expect(taker.version).not.toBe(version)
    await expectStorageError(late.close(), 'OFFSET_INVALID')
    expect(await driver.move('/file', '/to', { version: taker.version })).toBe(true)
    expect(await text('/to')).toBe('good')
  })

  it('of two that finish it with tails of equal length one does, and what is moved is its own', async () => {
    const version = await writeFile(driver, '/file', [distinctBytes(CHUNK)])
    const tails = [distinctBytes(2 * CHUNK, 1), distinctBytes(2 * CHUNK, 2)]
    const outcomes = await Promise.allSettled(
      [driver, other].map(async (each, index) => {
        const writer = await each.append('/file', { offset: CHUNK, version })
        await writer.write(Buffer.from(tails[index]!))
        await writer.sync({ dataOnly: true })
        await writer.close()
        return each.move('/file', '/to', { version: writer.version, mayStay: true })
      }),
    )
    const winner = outcomes.findIndex(({ status }) => status === 'fulfilled')
    expect(outcomes[1 - winner]).toMatchObject({ reason: { code: 'OFFSET_INVALID' } })
    const content = await collect(driver.read('/to'))
    expectSameBytes(content, Buffer.concat([distinctBytes(CHUNK), tails[winner]!]))
  })

  describe('a copy of several calls', () => {
    let version: FileVersion
    let moveInBetween: (change: () => Promise<unknown>, options?: object) => Promise<boolean>
    beforeEach(async () => {
      version = await writeFile(driver, '/file', [Buffer.from('good')])
      const { front } = current().server
      moveInBetween = async (change, options) => {
        const begun = Promise.withResolvers<void>()
        const gate = Promise.withResolvers<void>()
        let calls = 0
        front.fault = ({ url = '' }) => {
          if (!url.includes('rewriteTo')) return undefined
          if (calls++ === 0) return { status: 200, body: { done: false, rewriteToken: 'onward' } }
          begun.resolve()
          return { waitFor: gate.promise }
        }
        const moving = driver.move('/file', '/to', options)
        await begun.promise
        await change().finally(gate.resolve)
        return moving
      }
    })

    it('is one of one version of the source', async () => {
      await expectStorageError(
        moveInBetween(() => begunAgain('evil'), { version }),
        'OFFSET_INVALID',
      )
      await expectStorageError(driver.stat('/to'), 'PATH_NOT_FOUND')
    })

    it('begins again where any version will do', async () => {
      expect(await moveInBetween(() => begunAgain('next'))).toBe(true)
      expect(await text('/to')).toBe('next')
      expect(current().server.front.requestsLike(/rewriteToken=onward/)).toHaveLength(1)
    })
  })

  it('what somebody has written there since it was moved stays', async () => {
    const version = await writeFile(driver, '/file', [Buffer.from('good')])
    const copied = Promise.withResolvers<void>()
    const gate = Promise.withResolvers<void>()
    current().server.front.fault = ({ method }) => {
      if (method !== 'DELETE') return undefined
      copied.resolve()
      return { waitFor: gate.promise }
    }
    const moving = driver.move('/file', '/to', { version })
    await copied.promise
    await other.put('/file', Buffer.from('next'))
    gate.resolve()
    expect(await moving).toBe(true)
    expect([await text('/to'), await text('/file')]).toEqual(['good', 'next'])
  })

  it('a piece that somebody else has put in the place of one is not composed', async () => {
    const writer = await driver.append('/file', { offset: 0 })
    await writer.write(distinctBytes(CHUNK + 1))
    const { server } = current()
    const piece = await expect
      .poll(async () => Object.keys(await server.objects(opened().bucket)))
      .toHaveLength(1)
      .then(async () => Object.keys(await server.objects(opened().bucket))[0]!)
    const content = 'e'.repeat(CHUNK)
    await server.insert(opened().bucket, { name: piece, content, contentType: 'application/octet-stream' })
    await expectStorageError(writer.sync(), 'OFFSET_INVALID')
    await expectStorageError(driver.stat('/file'), 'PATH_NOT_FOUND')
  })

  it.each(['', 'x', '17', '17-', '-4', '0-4', '17-4-', '17-0x4', ' 17-4', '17-4\n'])(
    'a version that is none, %j, is of no file',
    async (version) => {
      await writeFile(driver, '/file', [Buffer.from('good')])
      await expectStorageError(driver.append('/file', { offset: 4, version }), 'OFFSET_INVALID')
      await expectStorageError(driver.move('/file', '/to', { version }), 'OFFSET_INVALID')
      await expectStorageError(collect(driver.read('/file', { version })), 'OFFSET_INVALID')
      expect(await driver.swapState('/state', Buffer.from('x'), version)).toBeUndefined()
    },
  )

  it('is refused by its version where the bucket keeps what was replaced, too', async () => {
    const bucket = await current().server.createBucket(undefined, { keepsReplaced: true })
    const { driver, close } = await current().open({ bucket })
    const version = await writeFile(driver, '/file', [Buffer.from('good')])
    await writeFile(driver, '/file', [Buffer.from(', better')])
    await expectStorageError(collect(driver.read('/file', { version })), 'OFFSET_INVALID')
    await expectStorageError(driver.move('/file', '/to', { version }), 'OFFSET_INVALID')
    const writer = await driver.append('/file', { version })
    await writer.write(Buffer.from('more'))
    await expectStorageError(writer.close(), 'OFFSET_INVALID')
    await driver.delete('/file')
    await expectStorageError(collect(driver.read('/file', { version })), 'PATH_NOT_FOUND')
    await expectStorageError(driver.move('/file', '/to', { version }), 'PATH_NOT_FOUND')
    await expectStorageError(driver.stat('/to'), 'PATH_NOT_FOUND')
    await close()
  })
})
