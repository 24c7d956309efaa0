import { beforeEach, describe, expect, it } from 'vitest'
import type { DriverUnderTest } from '../storage-driver.ts'
import { collect, distinctBytes, expectSameBytes, expectStorageError } from './support.ts'

/** Longer than any buffer a driver reads into, and no multiple of one. */
const LARGE_BYTES = 5 * 1024 * 1024 + 4321
const MIB = 1024 * 1024

export function describeReading(current: () => DriverUnderTest): void {
  describe('read', () => {
    const large = distinctBytes(LARGE_BYTES)
    beforeEach(async () => {
      await current().driver.put('/small', Buffer.from('0123456789'))
      await current().driver.put('/large', large, { durable: false })
    })

    it('an empty file has no bytes', async () => {
      const { driver } = current()
      await driver.put('/empty', Buffer.alloc(0))
      expect(await collect(driver.read('/empty'))).toHaveLength(0)
    })

    it('a file comes whole and in order', async () => {
      const { driver } = current()
      expect((await collect(driver.read('/small'))).toString()).toBe('0123456789')
      expectSameBytes(await collect(driver.read('/large')), large)
    })

    it.each([
      [0, 0],
      [9, 9],
      [0, 9],
      [3, 6],
    ])('bytes %i to %i, both included', async (start, end) => {
      const chunks = current().driver.read('/small', { range: { start, end } })
      expect((await collect(chunks)).toString()).toBe('0123456789'.slice(start, end + 1))
    })

    it.each([
      [0, LARGE_BYTES - 1],
      [LARGE_BYTES - 1, LARGE_BYTES - 1],
      [1, MIB],
      [MIB / 2 - 1, MIB / 2],
      [MIB + 17, 4 * MIB + 3],
      [70_000, 470_000],
    ])('bytes %i to %i of a large file', async (start, end) => {
      const chunks = current().driver.read('/large', { range: { start, end } })
      expectSameBytes(await collect(chunks), large.subarray(start, end + 1))
    })

    it.each([
      [10, 10],
      [100, 200],
      [9, 10],
      [0, 10],
      [0, 10 * MIB],
      [5, 4],
      [-1, 3],
    ])('bytes %i to %i are not all in a file of ten', async (start, end) => {
      const chunks = current().driver.read('/small', { range: { start, end } })
      await expectStorageError(collect(chunks), 'OFFSET_INVALID')
    })

    it('no range lies in an empty file', async () => {
      const { driver } = current()
      await driver.put('/empty', Buffer.alloc(0))
      await expectStorageError(
        collect(driver.read('/empty', { range: { start: 0, end: 0 } })),
        'OFFSET_INVALID',
      )
    })

    it('a range that ends behind a large file is refused at the latest there', async () => {
      const range = { start: 10, end: LARGE_BYTES }
      await expectStorageError(collect(current().driver.read('/large', { range })), 'OFFSET_INVALID')
    })

    it('what is not there is found out at the first step', async () => {
      const chunks = current().driver.read('/absent')
      await expectStorageError(collect(chunks), 'PATH_NOT_FOUND')
    })

    it('many readers at once do not disturb each other', async () => {
      const { driver } = current()
      const starts = Array.from({ length: 12 }, (_, index) => index * 300_000)
      await Promise.all(
        starts.map(async (start) => {
          const content = await collect(driver.read('/large', { range: { start, end: start + 1_500_000 } }))
          expectSameBytes(content, large.subarray(start, start + 1_500_001))
        }),
      )
    })

    it('a chunk stays as it is until the next one is asked for, whatever else is read', async () => {
      const { driver } = current()
      let position = 0
      for await (const chunk of driver.read('/large')) {
        for await (const _other of driver.read('/large', { range: { start: 7, end: 2 * MIB } })) break
        expectSameBytes(chunk, large.subarray(position, position + chunk.byteLength))
        position += chunk.byteLength
      }
      expect(position).toBe(LARGE_BYTES)
    })

    it('a reader that began before the file was replaced gets the old bytes', async () => {
      const { driver } = current()
      const reader = driver.read('/large')[Symbol.asyncIterator]()
      const first = await reader.next()
      const chunks = [Buffer.from(first.value)]
      await driver.put('/large', Buffer.from('new'))
      for (let step = await reader.next(); step.done !== true; step = await reader.next()) {
        chunks.push(Buffer.from(step.value))
      }
      expectSameBytes(Buffer.concat(chunks), large)
    })

    it('an iteration can be ended early, before it began, and twice', async () => {
      const { driver } = current()
      for await (const chunk of driver.read('/large')) {
        expect(chunk.byteLength).toBeGreaterThan(0)
        break
      }
      const reader = driver.read('/large')[Symbol.asyncIterator]()
      expect(await reader.return?.()).toEqual({ done: true, value: undefined })
      expect(await reader.return?.()).toEqual({ done: true, value: undefined })
      expect(await reader.next()).toEqual({ done: true, value: undefined })
    })

    it('an iteration that has ended stays ended', async () => {
      const reader = current().driver.read('/small')[Symbol.asyncIterator]()
      for (let step = await reader.next(); step.done !== true; ) step = await reader.next()
      expect(await reader.next()).toEqual({ done: true, value: undefined })
    })

    it('a read that is cancelled stops', async () => {
      const { driver } = current()
      const cancellation = new AbortController()
      let received = 0
      const reading = (async () => {
        for await (const chunk of driver.read('/large', { signal: cancellation.signal })) {
          received += chunk.byteLength
          cancellation.abort(new Error('the client has gone'))
        }
      })()
      const error = await expectStorageError(reading, 'ABORTED')
      expect(error.cause).toMatchObject({ message: 'the client has gone' })
      expect(received).toBeLessThan(LARGE_BYTES)
    })

    it('a read that was cancelled before it began yields nothing', async () => {
      const chunks = current().driver.read('/small', { signal: AbortSignal.abort() })
      await expectStorageError(collect(chunks), 'ABORTED')
    })
  })

  describe('redirectUrl', () => {
    it('is answered for a file: a URL, or that there is none', async () => {
      const { driver } = current()
      await driver.put('/file', Buffer.from('content'))
      const url = await driver.redirectUrl('/file')
      expect(url === undefined || url instanceof URL).toBe(true)
    })
  })
}
