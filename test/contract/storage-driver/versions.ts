import { describe, expect, it } from 'vitest'
import type { FileVersion, StorageDriver } from '../../../src/core/storage-driver.ts'
import type { DriverUnderTest } from '../storage-driver.ts'
import { collect, distinctBytes, expectSameBytes, expectStorageError, namesIn } from './support.ts'

/** Bytes of equal length, small and of more than one part of an upload. */
const LENGTHS = [
  ['a few bytes', 9],
  ['many bytes', 11 * 1024 * 1024],
] as const

const OTHER_BYTES = /OFFSET_INVALID|PATH_NOT_FOUND/

export function describeVersions(current: () => DriverUnderTest): void {
  describe.each(LENGTHS)('a version, of %s,', (_what, length) => {
    const good = distinctBytes(length, 1)
    const evil = distinctBytes(length, 2)

    it('is that of the bytes a writer has left: they are gone on with, read and moved by it', async () => {
      const { driver, another } = current()
      const first = await write(driver, good, { offset: 0 })
      const second = await write(await another(), evil, { offset: length, version: first })
      expect(second).not.toBe(first)
      const whole = Buffer.concat([good, evil])
      expectSameBytes(await collect(driver.read('/up/data', { version: second })), whole)
      expect(await driver.move('/up/data', '/blob', { version: second })).toBe(true)
      expectSameBytes(await collect(driver.read('/blob')), whole)
    })

    it('is no longer there once another writer has gone on, or has closed without a byte', async () => {
      const { driver, another } = current()
      const first = await write(driver, good, { offset: 0 })
      await write(await another(), evil, { offset: length, version: first })
      await expectOther(driver, first)
      await expectOther(await another(), first)
    })

    it('does not come back with other bytes of the same length', async () => {
      const { driver, another } = current()
      const version = await write(driver, good, { offset: 0 })
      await (await another()).delete('/up')
      await write(await another(), evil, { offset: 0 })
      await expectOther(driver, version)
    })

    it('is needed neither to go on nor to move: the bytes are then taken as they are', async () => {
      const { driver, another } = current()
      await write(driver, good, { offset: 0 })
      const taken = await write(await another(), Buffer.of(), { offset: length })
      expectSameBytes(await collect(driver.read('/up/data', { version: taken })), good)
      expect(await driver.move('/up/data', '/blob', { version: taken })).toBe(true)
      expectSameBytes(await collect(driver.read('/blob')), good)
    })

    it('of two writers that begin at once at most one succeeds', async () => {
      const { driver, another } = current()
      const other = await another()
      const writers = [
        await driver.append('/up/data', { offset: 0 }),
        await other.append('/up/data', { offset: 0 }).catch(() => undefined),
      ]
      const contents = [good, evil]
      const outcomes = await Promise.allSettled(
        writers.map(async (writer, index) => {
          if (writer === undefined) throw new Error('refused')
          await writer.write(Buffer.from(contents[index]!))
          try {
            await writer.sync()
          } finally {
            await writer.close()
          }
          return writer.version
        }),
      )
      const kept = outcomes.flatMap((outcome, index) =>
        outcome.status === 'fulfilled' ? [{ version: outcome.value!, content: contents[index]! }] : [],
      )
      expect(kept.length).toBeLessThanOrEqual(1)
      for (const { version, content } of kept) {
        expect(await other.move('/up/data', '/blob', { version })).toBe(true)
        expectSameBytes(await collect(driver.read('/blob')), content)
      }
    })

    it('a writer that stands still while its file is taken over and moved changes nothing any more', async () => {
      const { driver, another } = current()
      const other = await another()
      const first = await write(driver, good, { offset: 0 })
      const late = await driver.append('/up/data', { offset: length, version: first })
      const taken = await write(other, Buffer.of(), { offset: length })
      expect(await other.move('/up/data', '/blob', { version: taken, replace: false })).toBe(true)
      const written = (async () => {
        try {
          await late.write(Buffer.from(evil))
          await late.sync()
        } finally {
          await late.close()
        }
      })()
      await written.catch(() => undefined)
      expectSameBytes(await collect(driver.read('/blob')), good)
    })
  })

  describe('a state', () => {
    const text = async (driver: StorageDriver) => {
      const state = await driver.getState('/a/state')
      return state && Buffer.from(state.content).toString()
    }

    it('is not there until it is swapped in, and then what was swapped in last', async () => {
      const { driver, another } = current()
      const other = await another()
      expect(await driver.getState('/a/state')).toBeUndefined()
      const first = await driver.swapState('/a/state', Buffer.from('one'), undefined)
      expect(await text(other)).toBe('one')
      expect(await other.getState('/a/state')).toMatchObject({ version: first })
      const second = await other.swapState('/a/state', Buffer.from('two'), first)
      expect(second).not.toBe(first)
      expect(await text(driver)).toBe('two')
      expect(await namesIn(driver, '/a')).toEqual(['state'])
    })

    it('is left alone by whoever has read another version', async () => {
      const { driver, another } = current()
      const first = await driver.swapState('/a/state', Buffer.from('one'), undefined)
      expect(await driver.swapState('/a/state', Buffer.from('x'), undefined)).toBeUndefined()
      const second = await (await another()).swapState('/a/state', Buffer.from('two'), first)
      expect(await driver.swapState('/a/state', Buffer.from('x'), first)).toBeUndefined()
      expect(await text(driver)).toBe('two')
      // Back to earlier bytes is a version of its own where the bytes say who wrote them.
      expect(await driver.swapState('/a/state', Buffer.from('one, again'), second)).toBeDefined()
    })

    it('is swapped by exactly one of many at once', async () => {
      const { driver, another } = current()
      const other = await another()
      let version: FileVersion | undefined
      for (let round = 0; round < 3; round++) {
        const swaps = await Promise.all(
          Array.from({ length: 8 }, (_, index) =>
            (index % 2 === 0 ? driver : other).swapState(
              '/a/state',
              Buffer.from(`${round} ${index}`),
              version,
            ),
          ),
        )
        const winners = swaps.flatMap((won, index) => (won === undefined ? [] : [{ won, index }]))
        expect(winners).toHaveLength(1)
        expect(await text(driver)).toBe(`${round} ${winners[0]!.index}`)
        version = winners[0]!.won
      }
    })

    it('is gone when it is deleted, and can begin again', async () => {
      const { driver } = current()
      await driver.swapState('/a/state', Buffer.from('one'), undefined)
      await driver.delete('/a/state')
      expect(await driver.getState('/a/state')).toBeUndefined()
      expect(await driver.swapState('/a/state', Buffer.from('two'), undefined)).toBeDefined()
    })
  })
}

/** @returns the version that the writer has left */
async function write(
  driver: StorageDriver,
  content: Uint8Array,
  options: { offset: number; version?: FileVersion },
): Promise<FileVersion> {
  const writer = await driver.append('/up/data', options)
  if (content.byteLength > 0) await writer.write(Buffer.from(content))
  await writer.sync()
  await writer.close()
  expect(writer.version).toBeDefined()
  return writer.version as FileVersion
}

/** That nothing is done with bytes of another version. */
async function expectOther(driver: StorageDriver, version: FileVersion): Promise<void> {
  for (const replace of [true, false]) {
    await expect(driver.move('/up/data', '/blob', { version, replace })).rejects.toMatchObject({
      code: expect.stringMatching(OTHER_BYTES),
    })
  }
  await expectStorageError(driver.stat('/blob'), 'PATH_NOT_FOUND')
  await expect(collect(driver.read('/up/data', { version }))).rejects.toMatchObject({
    code: expect.stringMatching(OTHER_BYTES),
  })
  const appended = async () => {
    const { kind, ...info } = await driver.stat('/up/data')
    const offset = kind === 'file' && 'size' in info ? info.size : 0
    const writer = await driver.append('/up/data', { offset, version })
    try {
      await writer.write(Buffer.from('more'))
      await writer.sync()
    } finally {
      await writer.close()
    }
  }
  await expect(appended()).rejects.toMatchObject({ code: expect.stringMatching(OTHER_BYTES) })
}
