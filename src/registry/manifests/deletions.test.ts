import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { expectRegistryError } from '../../../test/contract/registry/support.ts'
import { FaultyDriver } from '../../../test/support/faulty-driver.ts'
import { type TemporaryFolder, temporaryFolder } from '../../../test/support/temporary-folder.ts'
import { digestOf } from '../../core/digest.ts'
import { StorageError } from '../../core/errors.ts'
import type { StorageDriver } from '../../core/storage-driver.ts'
import { FilesystemDriver } from '../../storage/filesystem.ts'
import { MemoryDriver } from '../../storage/memory.ts'
import { Deletions } from './deletions.ts'

const PATH = '/a/deletions'
const TIMING = { leaseMs: 60, beatMs: 10, patienceMs: 2_000 }

let folder: TemporaryFolder
beforeEach(async () => {
  folder = await temporaryFolder()
})
afterEach(() => folder.remove())

const PLACES: [string, () => () => StorageDriver][] = [
  ['memory', () => always(new MemoryDriver())],
  ['a folder', () => () => new FilesystemDriver({ root: folder.path })],
]

function always<T>(value: T): () => T {
  return () => value
}

describe.each(PLACES)('deletions in %s', (_where, place) => {
  let open: () => StorageDriver
  beforeEach(() => {
    open = place()
  })
  const processes = (timing = TIMING) =>
    Array.from({ length: 3 }, () => new Deletions({ storage: open(), path: PATH, timing }))

  it('are not there while nobody has deleted anything', async () => {
    const [one] = processes() as [Deletions]
    expect(await one.hasDeletedSince(one.mark)).toBe(false)
    expect(await one.hasDeletedSince(one.mark)).toBe(false)
  })

  it('that are over are seen by every process, once', async () => {
    const [one, other] = processes() as [Deletions, Deletions]
    await other.hasDeletedSince(other.mark)
    const { mark } = other
    expect(await one.during(async () => 'done')).toBe('done')
    expect(await other.hasDeletedSince(mark)).toBe(true)
    expect(await other.hasDeletedSince(other.mark)).toBe(false)
  })

  it('that fail are seen as well', async () => {
    const [one, other] = processes() as [Deletions, Deletions]
    await expect(one.during(() => Promise.reject(new Error('disk')))).rejects.toThrow('disk')
    expect(await other.hasDeletedSince(0)).toBe(true)
  })

  it('that are under way are waited for', async () => {
    const [one, other] = processes() as [Deletions, Deletions]
    const events: string[] = []
    const { promise: isUnderWay, resolve: begun } = Promise.withResolvers<void>()
    const { promise: mayEnd, resolve: end } = Promise.withResolvers<void>()
    const deleting = one.during(async () => {
      begun()
      await mayEnd
      events.push('deleted')
    })
    await isUnderWay
    const waiting = other.hasDeletedSince(0).then((has) => events.push(`seen ${has}`))
    const next = other.during(async () => events.push('deleted elsewhere'))
    end()
    await Promise.all([deleting, waiting, next])
    expect(events[0]).toBe('deleted')
    expect(events).toContain('seen true')
    expect(events).toContain('deleted elsewhere')
  })

  it('of one process run side by side, of several one after the other', async () => {
    const all = processes({ ...TIMING, leaseMs: 5_000, patienceMs: 30_000 })
    const running: Deletions[] = []
    const requireAlone = () => expect(new Set(running).size).toBe(1)
    await Promise.all(
      Array.from({ length: 24 }, (_, index) => {
        const one = all[index % all.length]!
        return one.during(async () => {
          running.push(one)
          requireAlone()
          await new Promise(setImmediate)
          requireAlone()
          running.splice(running.indexOf(one), 1)
        })
      }),
    )
  })

  it('of a process that is gone are over after the lease', async () => {
    const [gone, other] = processes() as [Deletions, Deletions]
    void gone.during(() => new Promise(() => undefined))
    // Its heartbeats stop, as those of a killed process do.
    const storage = open()
    const killed = Buffer.from(JSON.stringify({ count: 7, holder: 'killed' }))
    // Another heartbeat may come between.
    while ((await storage.swapState(PATH, killed, (await untilState(storage)).version)) === undefined);
    expect(await other.hasDeletedSince(7)).toBe(true)
    expect(await other.hasDeletedSince(8)).toBe(false)
  })
})

describe('a process that is gone', () => {
  const timing = { leaseMs: 500, beatMs: 50, patienceMs: 0 }

  it('is taken for dead also when nobody who waits lives for as long as a lease', async () => {
    const driver = new MemoryDriver()
    await driver.swapState(PATH, Buffer.from(JSON.stringify({ count: 7, holder: 'killed' })), undefined)
    // Each of them waits for less than half of a lease.
    const waitFor = async (ms: number) => {
      const waiting = new Deletions({ storage: driver, path: PATH, timing: { ...timing, patienceMs: ms } })
      return waiting.hasDeletedSince(7).catch(() => undefined)
    }
    let waited = 0
    while ((await waitFor(200)) === undefined) waited++
    expect(waited).toBeGreaterThan(0)
  })

  it('is not one that lives, however many wait for it', async () => {
    const driver = new MemoryDriver()
    const slow = { leaseMs: 4_000, beatMs: 1_000, patienceMs: 0 }
    const one = new Deletions({ storage: driver, path: PATH, timing: slow })
    await one.during(async () => {
      // Each lives just long enough to record that it waits.
      for (let waits = 0; waits < 5; waits++) {
        const other = new Deletions({ storage: driver, path: PATH, timing: { ...slow, patienceMs: 850 } })
        await expectRegistryError(other.hasDeletedSince(0), 'UNAVAILABLE')
      }
    })
    expect(JSON.parse(Buffer.from((await untilState(driver)).content).toString())).toMatchObject({ count: 1 })
  })
})

it('whoever lost its lease removes nothing more', async () => {
  const driver = new FaultyDriver(new MemoryDriver())
  const deletions = new Deletions({ storage: driver, path: PATH, timing: TIMING })
  await expectRegistryError(
    deletions.during(async (requireHeld) => {
      requireHeld()
      driver.fault = ({ method, path }) =>
        method === 'swapState' ? new StorageError('BACKEND_FAILED', { path }) : undefined
      for (;;) {
        requireHeld()
        await new Promise(setImmediate)
      }
    }),
    'UNAVAILABLE',
  )
})

it('who waits for a holder that lives is told to come again', async () => {
  const driver = new MemoryDriver()
  const timing = { ...TIMING, patienceMs: 50 }
  const [one, other] = [0, 1].map(() => new Deletions({ storage: driver, path: PATH, timing })) as [
    Deletions,
    Deletions,
  ]
  const { promise: mayEnd, resolve: end } = Promise.withResolvers<void>()
  const { promise: isUnderWay, resolve: begun } = Promise.withResolvers<void>()
  const deleting = one.during(() => {
    begun()
    return mayEnd
  })
  await isUnderWay
  await expectRegistryError(other.hasDeletedSince(0), 'UNAVAILABLE')
  end()
  await deleting
})

it('what is being pushed is remembered, however much it is; of what is over only the latest', () => {
  vi.useFakeTimers({ toFake: ['performance'] })
  onTestFinished(() => void vi.useRealTimers())
  const deletions = new Deletions({ storage: new MemoryDriver(), path: PATH, timing: TIMING })
  const indexes = Array.from({ length: 1_000 }, (_, index) => digestOf(Buffer.from(`index ${index}`)))
  const child = digestOf(Buffer.from('child'))
  const remembered = () => indexes.filter((index) => deletions.standingOf(index) !== undefined)
  for (const index of indexes) deletions.stood(index, 1, [child])
  expect(remembered()).toEqual(indexes)
  vi.advanceTimersByTime(180_000)
  deletions.stood(child, 1)
  expect(remembered()).toEqual(indexes.slice(-99))
})

it('what is no state has no holder', async () => {
  const driver = new MemoryDriver()
  await driver.swapState(PATH, Buffer.from('half a sta'), undefined)
  const deletions = new Deletions({ storage: driver, path: PATH, timing: TIMING })
  expect(await deletions.hasDeletedSince(0)).toBe(true)
  expect(await deletions.during(async () => 'done')).toBe('done')
})

async function untilState(storage: StorageDriver) {
  for (;;) {
    const state = await storage.getState(PATH)
    if (state !== undefined) return state
    await new Promise(setImmediate)
  }
}
