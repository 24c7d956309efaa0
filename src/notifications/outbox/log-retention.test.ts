import { afterEach, expect, test, vi } from 'vitest'
import { MemoryDriver } from '../../storage/memory.ts'
import type { RegistryEvent } from '../event.ts'
import { EventLog } from './event-log.ts'
import { LogRetention } from './log-retention.ts'
import { OutboxTenure } from './tenure.ts'

afterEach(() => {
  vi.useRealTimers()
})

const HOUR_MS = 3_600_000

test('segments go once they are old and every endpoint that is on has them behind it', async () => {
  vi.useFakeTimers({ toFake: ['Date'] })
  const storage = new MemoryDriver()
  const eventLog = new EventLog(storage)
  const tenure = await OutboxTenure.begin(storage, { signal: new AbortController().signal })
  const { epoch } = tenure.state
  for (const segment of [0, 1, 2])
    await eventLog.write(segment, { epoch }, { first: segment, events: [{} as RegistryEvent] })
  const off = { segment: 0, index: 0, off: '410' }
  await tenure.change((state) => ({
    ...{ ...state, next: 3, written: 3 },
    endpoints: { told: { segment: 3, index: 0 }, slow: { segment: 1, index: 0 }, off },
  }))
  const kept = async () => {
    // A log of its own has nothing in memory.
    await new LogRetention({ storage, eventLog, retentionMs: 24 * HOUR_MS }).apply(tenure)
    const segments = [0, 1, 2].map((segment) => new EventLog(storage).read(segment, tenure.state))
    return (await Promise.all(segments)).map((segment) => segment !== undefined)
  }
  vi.setSystemTime(Date.now() + 23 * HOUR_MS)
  expect(await kept()).toEqual([true, true, true])
  vi.setSystemTime(Date.now() + 10 * 24 * HOUR_MS)
  expect(await kept()).toEqual([false, true, true])
  await tenure.change((state) => ({ ...state, endpoints: { slow: { segment: 3, index: 0 } } }))
  expect(await kept()).toEqual([false, false, false])
  expect(tenure.state.first).toBe(3)
  await tenure.end()
})
