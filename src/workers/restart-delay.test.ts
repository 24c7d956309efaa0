import { expect, test } from 'vitest'
import { delayBefore } from './restart-delay.ts'

test('after a worker that has served for a time another one starts at once', () => {
  expect(delayBefore({ failures: 5, livedMs: 10_000 })).toEqual({ delayMs: 0, failures: 0 })
})

test('where one after the other ends soon it takes longer each time, up to a limit', () => {
  const delays: number[] = []
  let failures = 0
  while (delays.length < 10) {
    const next = delayBefore({ failures, livedMs: 10 })
    delays.push(next.delayMs)
    failures = next.failures
  }
  expect(delays).toEqual([100, 200, 400, 800, 1600, 3200, 6400, 10_000, 10_000, 10_000])
})
