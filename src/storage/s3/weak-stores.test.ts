/** In stores that ignore conditions more writers can collide, but the moved bytes are the hashed ones there
 *  too. */
import { describe, expect, test } from 'vitest'
import {
  collect,
  distinctBytes,
  expectSameBytes,
  expectStorageError,
} from '../../../test/contract/storage-driver/support.ts'
import {
  type IgnoredCondition,
  MIB,
  S3BehindProxy,
  s3ServerForTests,
  skipReason,
} from '../../../test/support/s3-driver.ts'
import { s3Operation } from '../../../test/support/s3-operation.ts'
import type { FileVersion, StorageDriver } from '../../core/storage-driver.ts'

const PUTS: IgnoredCondition[] = [
  ['PutObject', 'if-none-match'],
  ['PutObject', 'if-match'],
]
const COMPLETIONS: IgnoredCondition[] = [['CompleteMultipartUpload', 'if-none-match']]
const COPIES: IgnoredCondition[] = [['CopyObject', 'x-amz-copy-source-if-match']]
const RANGES: IgnoredCondition[] = [['UploadPartCopy', 'x-amz-copy-source-if-match']]

describe.skipIf(skipReason('versitygw'))(
  `a store that passes over conditions${skipReason('versitygw') ?? ''}`,
  () => {
    const server = s3ServerForTests('versitygw')

    test.each([
      ['createOnly', 'PutObject', 'if-none-match'],
      ['replaceOnly', 'PutObject', 'if-match'],
      ['completeOnly', 'CompleteMultipartUpload', 'if-none-match'],
      ['copySourceOnly', 'CopyObject', 'x-amz-copy-source-if-match'],
      ['copySourceOnly', 'UploadPartCopy', 'x-amz-copy-source-if-match'],
    ])('is found out: %s', async (ability, ...ignored) => {
      await using store = await S3BehindProxy.start(server(), { ignores: [ignored] })
      const [line = ''] = store.place.logged.lines.filter((told) => told.includes('conditional writes'))
      const sound = { createOnly: true, replaceOnly: true, completeOnly: true, copySourceOnly: true }
      expect(JSON.parse(line)).toMatchObject({ ...sound, copyCreateOnly: false, [ability]: false })
    })

    describe.each([
      ['of copies', COPIES],
      ['of copies of ranges', RANGES],
      ['of all', [...PUTS, ...COMPLETIONS, ...COPIES, ...RANGES]],
    ])('%s:', (_what, ignores) => {
      const settings = { multipartcopythresholdsize: 8 * MIB, multipartcopychunksize: 5 * MIB }
      const start = () => S3BehindProxy.start(server(), { ignores, settings })

      test.each([0, 9, 7 * MIB, 12 * MIB])(
        '%i bytes are moved',
        async (length) => {
          await using store = await start()
          const { proxy, driver, past } = store
          const content = distinctBytes(length)
          await past.put('/up/data', content)
          const taken = await write(driver, Buffer.of(), { offset: length })
          for (const version of [taken, undefined]) {
            expect(await driver.move('/up/data', '/blob', { version, mayStay: true })).toBe(true)
            expectSameBytes(await collect(past.read('/blob')), content)
            expect(await driver.move('/up/data', '/blob', { version, replace: false })).toBe(false)
          }
          const copies = proxy.requests.filter((asked) => s3Operation(asked).includes('Copy'))
          expect(copies).toEqual([])
        },
        60_000,
      )

      test.each([9, 11 * MIB])(
        '%i other bytes are not moved in the place of the same number',
        async (length) => {
          await using store = await start()
          const { driver, past } = store
          const [good, evil] = [distinctBytes(length, 1), distinctBytes(length, 2)]
          await past.put('/right', Buffer.from('the right bytes'))
          const version = await write(driver, good, { offset: 0 })
          await past.delete('/up')
          await write(past, evil, { offset: 0 })
          for (const replace of [true, false]) {
            for (const to of ['/blob', '/right'])
              await expectStorageError(driver.move('/up/data', to, { version, replace }), 'OFFSET_INVALID')
          }
          await expectStorageError(past.stat('/blob'), 'PATH_NOT_FOUND')
          expect(Buffer.from(await past.get('/right')).toString()).toBe('the right bytes')
        },
      )

      test('a large object is gone on with', async () => {
        await using store = await start()
        const { driver, past } = store
        const content = distinctBytes(13 * MIB)
        await past.put('/up/data', content)
        await write(driver, Buffer.from('more'), { offset: content.length })
        const whole = Buffer.concat([content, Buffer.from('more')])
        expectSameBytes(await collect(past.read('/up/data')), whole)
      })
    })

    test.each([6 * MIB, 9])(
      'two that begin an upload of %i bytes at once move their own bytes, or are told',
      async (length) => {
        await using store = await S3BehindProxy.start(server(), { ignores: [...PUTS, ...COMPLETIONS] })
        const { driver, past, place, proxy } = store
        const drivers = [driver, await place.open({ regionendpoint: proxy.endpoint })]
        const contents = [distinctBytes(length, 1), distinctBytes(length, 2)]
        for (const dataOnly of [false, true]) {
          await past.delete('/up')
          const moved = drivers.map(async (one, index) => {
            const version = await write(one, contents[index]!, { offset: 0, dataOnly })
            await one.move('/up/data', `/blob${index}`, { version, mayStay: true })
          })
          for (const [index, outcome] of (await Promise.allSettled(moved)).entries()) {
            const bytes = await collect(past.read(`/blob${index}`)).catch(() => undefined)
            if (outcome.status === 'fulfilled') expect(bytes).toBeDefined()
            else expect(outcome.reason).toMatchObject({ code: 'OFFSET_INVALID' })
            if (bytes !== undefined) expectSameBytes(bytes, contents[index]!)
            await past.delete(`/blob${index}`)
          }
        }
      },
    )

    test('states are compared before they are swapped', async () => {
      await using store = await S3BehindProxy.start(server(), { ignores: PUTS })
      const { proxy, driver, past } = store
      const first = await driver.swapState('/state', Buffer.from('one'), undefined)
      expect(await driver.swapState('/state', Buffer.from('x'), undefined)).toBeUndefined()
      const second = await past.swapState('/state', Buffer.from('two'), first)
      expect(await driver.swapState('/state', Buffer.from('x'), first)).toBeUndefined()
      expect(await driver.getState('/state')).toEqual({ content: Buffer.from('two'), version: second })
      expect(await driver.swapState('/state', Buffer.from('three'), second)).toBeDefined()
      expect(proxy.requests.some(({ headers }) => 'if-match' in headers || 'if-none-match' in headers)).toBe(
        false,
      )
    })
  },
)

/** Writes content.
 *  @returns the writer's version */
async function write(
  driver: StorageDriver,
  content: Buffer,
  { offset, dataOnly = false }: { offset: number; dataOnly?: boolean },
): Promise<FileVersion> {
  const writer = await driver.append('/up/data', { offset })
  if (content.length > 0) await writer.write(Buffer.from(content))
  try {
    await writer.sync({ dataOnly })
  } finally {
    await writer.close()
  }
  return writer.version as FileVersion
}
