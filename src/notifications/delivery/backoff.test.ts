import { expect, test } from 'vitest'
import { backoffOf } from './backoff.ts'

const settings = { threshold: 3, backoffMs: 1_000, maxBackoffMs: 10_000 }
const longest = (failures: number) => backoffOf(failures, settings, () => 1)

test('retries follow soon up to the threshold, then ever later up to a limit', () => {
  expect([1, 2].map(longest)).toEqual([50, 100])
  expect([3, 4, 5, 6, 7, 8, 1_000].map(longest)).toEqual([1_000, 2_000, 4_000, 8_000, 10_000, 10_000, 10_000])
})

test('a retry before the threshold waits no longer than one after it', () => {
  expect(backoffOf(9, { threshold: 10, backoffMs: 200, maxBackoffMs: 500 }, () => 1)).toBe(200)
})

test('each pause is up to a half shorter, at random', () => {
  expect(backoffOf(3, settings, () => 0)).toBe(500)
  const pauses = Array.from({ length: 100 }, () => backoffOf(3, settings))
  expect(new Set(pauses).size).toBeGreaterThan(50)
  expect(pauses.every((pause) => pause >= 500 && pause <= 1_000)).toBe(true)
})
