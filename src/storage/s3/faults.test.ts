import { describe, expect, test, vi } from 'vitest'
import {
  collect,
  collectAll,
  distinctBytes,
  expectSameBytes,
  expectStorageError,
} from '../../../test/contract/storage-driver/support.ts'
import { firstOf, type StoreRequest } from '../../../test/support/faulty-proxy.ts'
import { MIB, S3BehindProxy, s3ServerForTests, skipReason } from '../../../test/support/s3-driver.ts'
import { s3Operation } from '../../../test/support/s3-operation.ts'
import { s3Answers } from '../../../test/support/store-answers.ts'
import type { FileVersion, StorageDriver } from '../../core/storage-driver.ts'

describe.skipIf(skipReason('versitygw'))(`a store that is not well${skipReason('versitygw') ?? ''}`, () => {
  const server = s3ServerForTests('versitygw')

  const start = ({ timeoutMs = 60_000 } = {}) => S3BehindProxy.start(server(), { timeoutMs })

  const is = (operation: string) => (asked: StoreRequest) => s3Operation(asked) === operation

  test.each([
    ['an internal error', s3Answers.internalError()],
    ['too many requests', s3Answers.busy()],
    ['a reset', { kind: 'reset' }],
    ['a lost answer', { kind: 'lose-answer' }],
  ] as const)('%s is tried again', async (_what, fault) => {
    await using store = await start()
    const { proxy, driver, past } = store
    const every = (operation: string) => {
      proxy.fault = firstOf(2, { of: is(operation), fault })
    }
    every('PutObject')
    await driver.put('/a', Buffer.from('content'))
    every('GetObject')
    expect(Buffer.from(await driver.get('/a')).toString()).toBe('content')
    every('HeadObject')
    expect(await driver.stat('/a')).toMatchObject({ size: 7 })
    every('ListObjectsV2')
    expect(await collectAll(driver.list('/'))).toEqual([{ name: 'a', kind: 'file' }])
    every('CopyObject')
    expect(await driver.move('/a', '/b', { replace: false })).toBe(true)
    every('DeleteObjects')
    await driver.delete('/', { knownChildren: [] }).catch(() => undefined)
    await driver.delete('/c', { knownChildren: ['x'] })
    expect(Buffer.from(await past.get('/b')).toString()).toBe('content')
  })

  test('an append whose answer is lost is not taken for another one', async () => {
    await using store = await start()
    const { proxy, driver, past } = store
    proxy.fault = firstOf(1, { of: is('PutObject'), fault: { kind: 'lose-answer' } })
    await append(driver, { offset: 0, chunks: [Buffer.from('one ')] })
    proxy.fault = firstOf(1, { of: is('PutObject'), fault: { kind: 'lose-answer' } })
    await append(driver, { offset: 4, chunks: [Buffer.from('two')] })
    expect(Buffer.from(await past.get('/up/data')).toString()).toBe('one two')
  })

  test.each(['lose-answer', 'reset'] as const)(
    'whether an upload was completed is seen from what stands there: %s',
    async (kind) => {
      await using store = await start()
      const { proxy, driver, past } = store
      const content = distinctBytes(11 * MIB)
      await append(driver, { offset: 0, chunks: [content] })
      // More often than the number of attempts: the last answer is a fault too.
      const of = is('CompleteMultipartUpload')
      proxy.fault = firstOf(100, { of, fault: { kind } })
      const moved = driver.move('/up/data', '/blob', { mayStay: true })
      if (kind === 'lose-answer') {
        expect(await moved).toBe(true)
        expectSameBytes(await collect(past.read('/blob')), content)
      } else {
        await expectStorageError(moved, 'BUSY')
        proxy.fault = () => undefined
        expect(await driver.move('/up/data', '/blob')).toBe(true)
        expectSameBytes(await collect(past.read('/blob')), content)
      }
    },
    60_000,
  )

  test('what a completed upload was made of is told by its tag, whoever completed it', async () => {
    await using store = await start()
    const { proxy, driver, past } = store
    const content = distinctBytes(11 * MIB)
    const version = await append(driver, { offset: 0, chunks: [content] })
    const completed = Promise.withResolvers<void>()
    const held = { kind: 'hold', until: completed.promise } as const
    proxy.fault = firstOf(1, { of: is('CompleteMultipartUpload'), fault: held })
    const moved = driver.move('/up/data', '/blob', { version, mayStay: true })
    // Another process is faster, with the same bytes.
    expectSameBytes(await collect(past.read('/up/data', { version })), content)
    completed.resolve()
    expect(await moved).toBe(true)
    expectSameBytes(await collect(past.read('/blob')), content)
    expect(await driver.move('/up/data', '/again', { version, mayStay: true })).toBe(true)
  })

  test('an upload that is removed while it is completed leaves nothing', async () => {
    await using store = await start()
    const { proxy, driver, past } = store
    for (const path of ['/up/data', '/up']) {
      await append(driver, { offset: 0, chunks: [distinctBytes(11 * MIB)] })
      const [asked, completed] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
      proxy.fault = (request) => {
        if (!is('AbortMultipartUpload')(request)) return undefined
        asked.resolve()
        return { kind: 'hold', until: completed.promise }
      }
      const removed = driver.delete(path)
      await asked.promise
      for await (const _chunk of past.read('/up/data')) break
      completed.resolve()
      await removed
      await expectStorageError(past.stat('/up/data'), 'PATH_NOT_FOUND')
      expect(await collectAll(past.incompleteUploads())).toEqual([])
    }
  })

  test('a file that another has removed a moment before is removed', async () => {
    await using store = await start()
    const { proxy, driver } = store
    await driver.put('/file', Buffer.from('content'))
    proxy.fault = firstOf(1, { of: is('DeleteObject'), fault: s3Answers.gone('NoSuchKey') })
    await driver.delete('/file')
  })

  test('an upload that ends while it is looked at is not incomplete', async () => {
    await using store = await start()
    const { proxy, driver } = store
    const writer = await driver.append('/up/data', { offset: 0 })
    for (let sent = 0; sent < 11; sent++) await writer.write(distinctBytes(MIB))
    await expect.poll(() => collectAll(driver.incompleteUploads())).toHaveLength(1)
    proxy.fault = firstOf(1, { of: is('ListParts'), fault: s3Answers.gone('NoSuchUpload') })
    expect(await collectAll(driver.incompleteUploads())).toEqual([])
    const [found] = await collectAll(driver.incompleteUploads())
    proxy.fault = firstOf(1, { of: is('AbortMultipartUpload'), fault: s3Answers.gone('NoSuchUpload') })
    await found?.remove()
    await writer.close()
  })

  test('a swap whose answer is lost is told from another one’s', async () => {
    await using store = await start()
    const { proxy, driver, past } = store
    const lose = () => {
      proxy.fault = firstOf(1, { of: is('PutObject'), fault: { kind: 'lose-answer' } })
    }
    lose()
    const first = await driver.swapState('/state', Buffer.from('one'), undefined)
    expect(await past.getState('/state')).toEqual({ content: Buffer.from('one'), version: first })
    lose()
    const second = await driver.swapState('/state', Buffer.from('two'), first)
    expect(await past.getState('/state')).toEqual({ content: Buffer.from('two'), version: second })
    // All attempts fail.
    proxy.fault = firstOf(1, { of: is('PutObject'), fault: s3Answers.internalError() })
    expect(await driver.swapState('/state', Buffer.from('three'), second)).toBeDefined()
  })

  test('of a swap after which another one was done before it was told, nothing is claimed', async () => {
    await using store = await start()
    const { proxy, driver, past } = store
    const swapped = Promise.withResolvers<void>()
    let puts = 0
    proxy.fault = (asked) => {
      if (!is('PutObject')(asked)) return undefined
      return ++puts === 1 ? { kind: 'lose-answer' } : { kind: 'hold', until: swapped.promise }
    }
    const swap = expectStorageError(driver.swapState('/state', Buffer.from('mine'), undefined), 'BUSY')
    await vi.waitFor(() => expect(puts).toBe(2), { timeout: 10_000 })
    const mine = await past.getState('/state')
    expect(Buffer.from(mine?.content ?? []).toString()).toBe('mine')
    expect(await past.swapState('/state', Buffer.from('theirs'), mine?.version)).toBeDefined()
    swapped.resolve()
    await swap
  })

  test('where a body ends too early the rest is asked for', async () => {
    await using store = await start()
    const { proxy, driver } = store
    const content = distinctBytes(3 * MIB)
    await driver.put('/file', content)
    proxy.forget()
    proxy.fault = firstOf(3, { of: is('GetObject'), fault: { kind: 'truncate', bytes: 500_000 } })
    expectSameBytes(await collect(driver.read('/file')), content)
    expect(proxy.requests).toHaveLength(4)
    proxy.fault = firstOf(2, { of: is('GetObject'), fault: { kind: 'truncate', bytes: 100_000 } })
    const range = { start: 1_000, end: 1_999_999 }
    expectSameBytes(await collect(driver.read('/file', { range })), content.subarray(1_000, 2_000_000))
    proxy.fault = firstOf(1, { of: is('GetObject'), fault: { kind: 'truncate', bytes: 10 } })
    expectSameBytes(await driver.get('/file'), content)
  })

  test('a body that never comes to its end fails, and is never taken for the whole', async () => {
    await using store = await start()
    const { proxy, driver } = store
    await driver.put('/file', distinctBytes(MIB))
    proxy.fault = (asked) => (is('GetObject')(asked) ? { kind: 'truncate', bytes: 10 } : undefined)
    await expectStorageError(collect(driver.read('/file')), 'BUSY')
    await expectStorageError(driver.get('/file'), 'BUSY')
  })

  test('the rest of an object that was replaced meanwhile is not read on', async () => {
    await using store = await start()
    const { proxy, driver, past } = store
    await driver.put('/file', distinctBytes(MIB, 1))
    proxy.fault = firstOf(1, { of: is('GetObject'), fault: { kind: 'truncate', bytes: 500_000 } })
    const reading = async () => {
      for await (const _chunk of driver.read('/file')) await past.put('/file', distinctBytes(MIB, 2))
    }
    await expect(reading()).rejects.toMatchObject({ name: 'StorageError' })
  })

  test('a store that says nothing is given up, and asked again', async () => {
    await using store = await start({ timeoutMs: 300 })
    const { proxy, driver, past } = store
    proxy.fault = firstOf(2, { of: is('PutObject'), fault: { kind: 'stall' } })
    await driver.put('/file', Buffer.from('content'))
    expect(Buffer.from(await past.get('/file')).toString()).toBe('content')
    expect(proxy.requests.map(({ fault }) => fault)).toEqual(['stall', 'stall', undefined])
  })

  test.each([-3_600_000, 3_600_000])('a clock that is %i ms wrong is set right', async (error) => {
    await using store = await start()
    const { driver, past } = store
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + error })
    try {
      await driver.put('/file', Buffer.from('content'))
      expect(Buffer.from(await driver.get('/file')).toString()).toBe('content')
    } finally {
      vi.useRealTimers()
    }
    expect(Buffer.from(await past.get('/file')).toString()).toBe('content')
  })

  test('credentials that have expired are no file that is not there', async () => {
    await using store = await start()
    const { proxy, driver, past } = store
    await driver.put('/file', Buffer.from('content'))
    proxy.fault = () => s3Answers.expired()
    await expectStorageError(driver.get('/file'), 'BUSY')
    await expectStorageError(driver.put('/file', Buffer.from('other')), 'BUSY')
    expect(Buffer.from(await past.get('/file')).toString()).toBe('content')
  })

  test('a store that can’t be reached is no file that is not there', async () => {
    await using store = await start()
    const { proxy, driver } = store
    await driver.put('/file', Buffer.from('content'))
    proxy.fault = () => ({ kind: 'reset' })
    const works = [
      () => driver.stat('/file'),
      () => driver.get('/file'),
      () => collect(driver.read('/file')),
      () => driver.put('/file', Buffer.from('x')),
      () => driver.append('/file'),
      () => collectAll(driver.list('/')),
      () => driver.move('/file', '/other'),
      () => driver.delete('/file'),
      () => collectAll(driver.incompleteUploads()),
    ]
    for (const work of works) await expectStorageError(work(), 'BUSY')
  }, 60_000)
})

async function append(
  driver: StorageDriver,
  { offset, chunks }: { offset: number; chunks: readonly Buffer[] },
): Promise<FileVersion> {
  const writer = await driver.append('/up/data', { offset })
  for (const chunk of chunks) await writer.write(Buffer.from(chunk))
  await writer.sync()
  await writer.close()
  return writer.version as FileVersion
}
