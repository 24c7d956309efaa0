/** Several replicas write to one upload at once: the moved bytes are always the hashed ones. */
import { describe, expect, test } from 'vitest'
import {
  collect,
  distinctBytes,
  expectSameBytes,
  expectStorageError,
} from '../../../test/contract/storage-driver/support.ts'
import type { StoreRequest } from '../../../test/support/faulty-proxy.ts'
import {
  type IgnoredCondition,
  MIB,
  S3BehindProxy,
  S3Replicas,
  s3ServerForTests,
  s3Settings,
  skipReason,
} from '../../../test/support/s3-driver.ts'
import { s3Operation } from '../../../test/support/s3-operation.ts'
import type { FileVersion, FileWriter, StorageDriver } from '../../core/storage-driver.ts'

const KINDS = ['versitygw', 'versitygw-checksums', 'seaweedfs'] as const

/** Two contents with the same MD5 digest. Wang, Yu, 2005. */
const COLLIDING = [
  'd131dd02c5e6eec4693d9a0698aff95c2fcab58712467eab4004583eb8fb7f8955ad340609f4b30283e488832571415a085125e8f7cdc99fd91dbdf280373c5bd8823e3156348f5bae6dacd436c919c6dd53e2b487da03fd02396306d248cda0e99f33420f577ee8ce54b67080a80d1ec69821bcb6a8839396f9652b6ff72a70',
  'd131dd02c5e6eec4693d9a0698aff95c2fcab50712467eab4004583eb8fb7f8955ad340609f4b30283e4888325f1415a085125e8f7cdc99fd91dbd7280373c5bd8823e3156348f5bae6dacd436c919c6dd53e23487da03fd02396306d248cda0e99f33420f577ee8ce54b67080280d1ec69821bcb6a8839396f965ab6ff72a70',
].map((hex) => Buffer.from(hex, 'hex'))

for (const kind of KINDS) {
  describe.skipIf(skipReason(kind))(`replicas over ${kind}${skipReason(kind) ?? ''}`, () => {
    const server = s3ServerForTests(kind)
    const start = (settings = {}) => S3Replicas.start(s3Settings(server(), settings))

    test.each([
      { begun: 0, tail: 6 * MIB },
      { begun: 11 * MIB, tail: MIB },
      { begun: 11 * MIB, tail: 6 * MIB },
    ])('of two that add $tail last bytes of their own to $begun, at most one succeeds', async (lengths) => {
      const begun = distinctBytes(lengths.begun, 1)
      const tails = [distinctBytes(lengths.tail, 2), distinctBytes(lengths.tail, 3)]
      await using place = await start()
      const drivers = [await place.open(), await place.open()]
      for (const isTogether of [true, false]) {
        await drivers[0]!.delete('/up')
        const version = begun.length > 0 ? await write(drivers[0]!, begun, { offset: 0 }) : undefined
        const writers = await Promise.all(
          drivers.map((driver) => driver.append('/up/data', { offset: begun.length, version })),
        )
        const finish = (index: number) => finishWith(writers[index]!, tails[index]!)
        const first = finish(0)
        if (!isTogether) await first
        const outcomes = await Promise.allSettled([first, finish(1)])
        const won = outcomes.findIndex(({ status }) => status === 'fulfilled')
        for (const [index, outcome] of outcomes.entries()) {
          if (index === won) continue
          // versitygw resets the connection of a part whose upload is gone; its answer may be lost by that.
          const told = {
            status: 'rejected',
            reason: { code: expect.stringMatching(/OFFSET_INVALID|PATH_NOT_FOUND|BUSY/) },
          }
          expect(outcome).toMatchObject(told)
        }
        // Each may have replaced the other's part.
        if (won === -1) expect([isTogether, begun.length > 0]).toEqual([true, true])
        else {
          const { value } = outcomes[won] as PromiseFulfilledResult<FileVersion>
          expect(await drivers[1 - won]!.move('/up/data', '/blob', { version: value })).toBe(true)
          expectSameBytes(await collect(drivers[0]!.read('/blob')), Buffer.concat([begun, tails[won]!]))
        }
      }
    })

    test('what one finishes is not what another one has made of the same upload meanwhile', async () => {
      await using place = await start()
      const [one, other] = [await place.open(), await place.open()]
      const begun = distinctBytes(11 * MIB, 1)
      const version = await write(one, begun, { offset: 0 })
      const late = await other.append('/up/data', { offset: begun.length, version })
      await late.write(distinctBytes(MIB, 2))
      expect(await one.move('/up/data', '/blob', { version, mayStay: true })).toBe(true)
      await expect(late.sync({ dataOnly: true })).rejects.toMatchObject({ code: 'OFFSET_INVALID' })
      await late.close().catch(() => undefined)
      expect(await other.move('/up/data', '/again', { version, mayStay: true })).toBe(true)
      for (const path of ['/blob', '/again']) expectSameBytes(await collect(one.read(path)), begun)
    })

    test.each([
      { what: 'honours', ignores: [] },
      { what: 'passes over', ignores: [['CompleteMultipartUpload', 'if-none-match']] as IgnoredCondition[] },
    ])(
      'a completion that comes late makes and takes nothing: the store $what its condition',
      async ({ ignores }) => {
        await using store = await S3BehindProxy.start(server(), { ignores })
        const { proxy, driver, past } = store
        const version = await write(driver, distinctBytes(11 * MIB, 1), { offset: 0 })
        const isCompletion = (asked: StoreRequest) => s3Operation(asked) === 'CompleteMultipartUpload'
        const finished = Promise.withResolvers<void>()
        const asked = Promise.withResolvers<void>()
        proxy.fault = (request) => {
          if (!isCompletion(request)) return undefined
          asked.resolve()
          return { kind: 'hold', until: finished.promise }
        }
        const late = driver.move('/up/data', '/blob', { version, mayStay: true })
        await asked.promise
        const writer = await past.append('/up/data', { offset: 11 * MIB, version })
        const more = await finishWith(writer, Buffer.from('more'))
        finished.resolve()
        await expectStorageError(late, 'OFFSET_INVALID')
        await expectStorageError(past.stat('/blob'), 'PATH_NOT_FOUND')
        expect(await past.move('/up/data', '/blob', { version: more })).toBe(true)
        const whole = Buffer.concat([distinctBytes(11 * MIB, 1), Buffer.from('more')])
        expectSameBytes(await collect(past.read('/blob')), whole)
      },
    )

    test('parts that a late writer puts over others are not taken for them', async () => {
      await using place = await start()
      const [one, other] = [await place.open(), await place.open()]
      const contents = [distinctBytes(11 * MIB, 1), distinctBytes(6 * MIB, 2)] as const
      const version = await write(one, contents[0], { offset: 0 })
      const late = await other.append('/up/data', { offset: 11 * MIB, version })
      const next = await write(one, contents[1], { offset: 11 * MIB, version })
      await late.write(distinctBytes(6 * MIB, 3))
      await expectStorageError(late.sync(), 'OFFSET_INVALID')
      await late.close().catch(() => undefined)
      // SeaweedFS keeps both.
      const isMoved = await one.move('/up/data', '/blob', { version: next }).catch((error) => {
        expect(error).toMatchObject({ code: 'OFFSET_INVALID' })
        return false
      })
      if (isMoved) expectSameBytes(await collect(one.read('/blob')), Buffer.concat(contents))
      else await expectStorageError(one.stat('/blob'), 'PATH_NOT_FOUND')
    })

    test('a small upload is not gone on with beside a large one that has begun at the same moment', async () => {
      await using place = await start()
      const [one, other] = [await place.open(), await place.open()]
      const large = await one.append('/up/data', { offset: 0 })
      await large.write(distinctBytes(11 * MIB))
      const version = await write(other, Buffer.from('small'), { offset: 0 })
      await expectStorageError(large.sync(), 'OFFSET_INVALID')
      await large.close().catch(() => undefined)
      expect((await collect(one.read('/up/data', { version }))).toString()).toBe('small')
    })

    test.each([7, 11 * MIB])('%i bytes begin where an empty file stands', async (length) => {
      await using place = await start()
      const [one, other] = [await place.open(), await place.open()]
      for (const dataOnly of [false, true]) {
        await one.delete('/up')
        await write(one, Buffer.of(), { offset: 0 })
        const writer = await other.append('/up/data', { offset: 0 })
        await writer.write(distinctBytes(length))
        await writer.sync({ dataOnly })
        await writer.close()
        expectSameBytes(await collect(one.read('/up/data')), distinctBytes(length))
      }
    })

    test('what is an upload in parts is read as what it will be, whole or in part', async () => {
      const content = distinctBytes(16 * MIB - 1)
      const range = { start: 15 * MIB, end: 16 * MIB - 2 }
      const reads: ((driver: StorageDriver) => Promise<Uint8Array>)[] = [
        (driver) => driver.get('/up/data'),
        (driver) => collect(driver.read('/up/data')),
        async (driver) => {
          expectSameBytes(await collect(driver.read('/up/data', { range })), content.subarray(range.start))
          return driver.get('/up/data')
        },
      ]
      await using place = await start()
      const driver = await place.open()
      for (const read of reads) {
        await driver.delete('/up')
        const version = await write(driver, content, { offset: 0 })
        expectSameBytes(await read(await place.open()), content)
        expectSameBytes(
          await collect(driver.read('/up/data', { version, range })),
          content.subarray(range.start),
        )
        const more = await write(driver, Buffer.from('more'), { offset: content.length, version })
        expect((await collect(driver.read('/up/data', { version: more }))).length).toBe(content.length + 4)
      }
    })

    test('contents that are made to have one tag are told apart where they are read or gone on with', async () => {
      await using place = await start()
      const [one, other] = [await place.open(), await place.open()]
      const version = await write(one, COLLIDING[0]!, { offset: 0 })
      await other.delete('/up')
      await write(other, COLLIDING[1]!, { offset: 0 })
      await expectStorageError(collect(one.read('/up/data', { version })), 'OFFSET_INVALID')
      await expectStorageError(one.append('/up/data', { offset: 128, version }), 'OFFSET_INVALID')
    })

    test.each([7, 11 * MIB])('%i bytes are not put over others that are to stay', async (length) => {
      await using place = await start({ multipartcopythresholdsize: 6 * MIB })
      const driver = await place.open()
      await driver.put('/blob', Buffer.from('stays'))
      const version = await write(driver, distinctBytes(length), { offset: 0 })
      const options = { version, mayStay: true }
      expect(await driver.move('/up/data', '/blob', { ...options, replace: false })).toBe(false)
      expect(Buffer.from(await driver.get('/blob')).toString()).toBe('stays')
      expect(await driver.move('/up/data', '/blob', options)).toBe(true)
      expectSameBytes(await collect(driver.read('/blob')), distinctBytes(length))
    })

    test('a version that another kind of storage has given names nothing', async () => {
      await using place = await start()
      const driver = await place.open()
      await write(driver, Buffer.from('content'), { offset: 0 })
      for (const version of ['', '7', 'object 7', `object 7 "${'0'.repeat(32)}" `]) {
        await expectStorageError(driver.append('/up/data', { offset: 7, version }), 'OFFSET_INVALID')
        await expectStorageError(driver.move('/up/data', '/blob', { version }), 'OFFSET_INVALID')
        await expectStorageError(collect(driver.read('/up/data', { version })), 'OFFSET_INVALID')
      }
    })
  })
}

/** Like a caller that moves the file next. */
async function finishWith(writer: FileWriter, content: Buffer): Promise<FileVersion> {
  try {
    await writer.write(Buffer.from(content))
    await writer.sync({ dataOnly: true })
  } finally {
    await writer.close()
  }
  return writer.version as FileVersion
}

/** Writes content.
 *  @returns the writer's version */
async function write(
  driver: StorageDriver,
  content: Buffer,
  options: { offset: number; version?: FileVersion },
): Promise<FileVersion> {
  const writer = await driver.append('/up/data', options)
  if (content.length > 0) await writer.write(Buffer.from(content))
  await writer.sync()
  await writer.close()
  return writer.version as FileVersion
}
