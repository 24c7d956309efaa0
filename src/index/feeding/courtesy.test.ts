import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { Courtesy } from './courtesy.ts'

let courtesy: Courtesy
beforeEach(() => {
  vi.useFakeTimers()
  courtesy = new Courtesy()
})
afterEach(() => vi.useRealTimers())

/** Works for ten seconds in steps of a millisecond, and returns the share of the time that it worked. */
async function share(beside: () => void): Promise<number> {
  let worked = 0
  let rested = 0
  while (worked + rested < 10_000) {
    beside()
    const free = courtesy.untilFree()
    if (free === undefined) {
      vi.advanceTimersByTime(1)
      worked++
      continue
    }
    const begun = performance.now()
    let isFree = false
    void free.then(() => {
      isFree = true
    })
    while (!isFree) {
      beside()
      await vi.advanceTimersByTimeAsync(1)
    }
    rested += performance.now() - begun
  }
  return worked / (worked + rested)
}

it('work does not rest while nobody asks for anything', async () => {
  expect(await share(() => {})).toBe(1)
})

it('work rests for most of the time while there are requests, and goes on', async () => {
  const busy = await share(() => courtesy.noteRequest())
  expect(busy).toBeGreaterThan(0.15)
  expect(busy).toBeLessThan(0.25)
})

it('work rests after a request only as long as it worked', async () => {
  let step = 0
  const sometimes = await share(() => {
    if (step++ % 100 === 0) courtesy.noteRequest()
  })
  expect(sometimes).toBeGreaterThan(0.9)
  expect(sometimes).toBeLessThan(0.99)
})

it('everybody who works waits for the same rest', async () => {
  courtesy.untilFree()
  courtesy.noteRequest()
  vi.advanceTimersByTime(5)
  const rest = courtesy.untilFree()
  expect(rest).toBeDefined()
  expect(courtesy.untilFree()).toBe(rest)
  await vi.advanceTimersByTimeAsync(100)
  expect(courtesy.untilFree()).toBeUndefined()
})
