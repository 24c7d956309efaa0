import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { RecordedLog } from '../../test/support/recorded-log.ts'
import { Schedule, type ScheduleOptions } from './schedule.ts'

let logged: RecordedLog
beforeEach(async () => {
  vi.useFakeTimers()
  logged = await RecordedLog.start()
})
afterEach(() => {
  vi.useRealTimers()
})

function schedule(work: ScheduleOptions['work'], options: Partial<ScheduleOptions> = {}): Schedule {
  return new Schedule({
    name: 'a test',
    intervalMs: 1_000,
    firstDelayMs: 100,
    log: logged.log,
    work,
    ...options,
  })
}

/** Work that ends when it is told to. */
function slowWork() {
  const ends: (() => void)[] = []
  const signals: AbortSignal[] = []
  const work = (signal: AbortSignal) => {
    signals.push(signal)
    return new Promise<void>((resolve) => ends.push(resolve))
  }
  return { work, signals, end: () => ends.shift()?.(), begun: () => signals.length }
}

test('the first time comes after its delay, the others after the interval', async () => {
  const work = vi.fn(async () => {})
  const scheduled = schedule(work)
  await vi.advanceTimersByTimeAsync(99)
  expect(work).toHaveBeenCalledTimes(0)
  await vi.advanceTimersByTimeAsync(1)
  expect(work).toHaveBeenCalledTimes(1)
  await vi.advanceTimersByTimeAsync(999)
  expect(work).toHaveBeenCalledTimes(1)
  await vi.advanceTimersByTimeAsync(1)
  expect(work).toHaveBeenCalledTimes(2)
  await vi.advanceTimersByTimeAsync(5_000)
  expect(work).toHaveBeenCalledTimes(7)
  await scheduled.stop()
})

test('work that takes longer than the interval never runs twice at once', async () => {
  const slow = slowWork()
  const scheduled = schedule(slow.work)
  await vi.advanceTimersByTimeAsync(60_000)
  expect(slow.begun()).toBe(1)
  slow.end()
  await vi.advanceTimersByTimeAsync(999)
  expect(slow.begun()).toBe(1)
  await vi.advanceTimersByTimeAsync(1)
  expect(slow.begun()).toBe(2)
  slow.end()
  await scheduled.stop()
})

test('work that fails is logged, and tried again at its next time', async () => {
  const work = vi.fn(async () => {
    throw new Error('no luck')
  })
  const scheduled = schedule(work)
  await vi.advanceTimersByTimeAsync(1_100)
  expect(work).toHaveBeenCalledTimes(2)
  expect(logged.lines).toHaveLength(2)
  expect(JSON.parse(logged.lines[0]!)).toMatchObject({
    level: 'error',
    work: 'a test',
    err: { message: 'no luck' },
  })
  await scheduled.stop()
})

test('stopping tells the work, and waits for its end', async () => {
  const slow = slowWork()
  const scheduled = schedule(slow.work)
  await vi.advanceTimersByTimeAsync(100)
  const stopped = vi.fn()
  const stopping = scheduled.stop().then(stopped)
  expect(slow.signals[0]!.aborted).toBe(true)
  await vi.advanceTimersByTimeAsync(10_000)
  expect(stopped).not.toHaveBeenCalled()
  slow.end()
  await stopping
  await vi.advanceTimersByTimeAsync(10_000)
  expect(slow.begun()).toBe(1)
})

test('work that gives up because it is told to stop has not failed, unlike other work', async () => {
  const givingUp = schedule(
    (signal) => new Promise((_, reject) => signal.addEventListener('abort', () => reject(signal.reason))),
  )
  await vi.advanceTimersByTimeAsync(100)
  await givingUp.stop()
  expect(logged.lines).toEqual([])
  const failing = schedule(
    (signal) =>
      new Promise((_, reject) => signal.addEventListener('abort', () => reject(new Error('no luck')))),
  )
  await vi.advanceTimersByTimeAsync(100)
  await failing.stop()
  expect(logged.lines).toHaveLength(1)
})

test('stopped before its first time, it never begins', async () => {
  const work = vi.fn(async () => {})
  await schedule(work).stop()
  await vi.advanceTimersByTimeAsync(10_000)
  expect(work).not.toHaveBeenCalled()
  expect(vi.getTimerCount()).toBe(0)
})

test('stopping is possible between two times, and twice', async () => {
  const work = vi.fn(async () => {})
  const scheduled = schedule(work)
  await vi.advanceTimersByTimeAsync(100)
  await Promise.all([scheduled.stop(), scheduled.stop()])
  await vi.advanceTimersByTimeAsync(10_000)
  expect(work).toHaveBeenCalledTimes(1)
  expect(vi.getTimerCount()).toBe(0)
})

test('an interval beyond what a timer holds does not become none', async () => {
  const work = vi.fn(async () => {})
  const scheduled = schedule(work, { intervalMs: 365 * 24 * 3_600_000 })
  await vi.advanceTimersByTimeAsync(24 * 3_600_000)
  expect(work).toHaveBeenCalledTimes(1)
  await scheduled.stop()
})

test('the waiting alone does not keep the process alive', async () => {
  vi.useRealTimers()
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length
  const before = timers()
  const scheduled = schedule(async () => {}, { firstDelayMs: 60_000 })
  expect(timers()).toBe(before)
  await scheduled.stop()
})
