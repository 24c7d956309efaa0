import { expect, test } from 'vitest'
import { GrowingDelay } from './growing-delay.ts'

test('delays double up to the longest, and begin anew after a success', () => {
  const delay = new GrowingDelay({ first: 1_000, longest: 5_000 })
  expect(Array.from({ length: 5 }, () => delay.next())).toEqual([1_000, 2_000, 4_000, 5_000, 5_000])
  for (let failure = 0; failure < 2_000; failure++) delay.next()
  expect(delay.next()).toBe(5_000)
  delay.reset()
  expect(delay.next()).toBe(1_000)
})
