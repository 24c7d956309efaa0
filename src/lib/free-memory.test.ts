import { expect, test } from 'vitest'
import { freeMemoryOf, shareMemory } from './free-memory.ts'

test('memory of its own is freed, a part of other memory is not', () => {
  const own = new Uint8Array(10)
  freeMemoryOf(own)
  expect(own.byteLength).toBe(0)
  const whole = new Uint8Array(10)
  freeMemoryOf(whole.subarray(0, 5))
  expect(whole.byteLength).toBe(10)
})

test('shared memory is freed with the last of its parts', () => {
  const whole = new Uint8Array(10)
  const parts = [whole.subarray(1, 4), whole.subarray(5, 9)] as const
  shareMemory(whole, parts)
  freeMemoryOf(whole.subarray(1, 3))
  freeMemoryOf(parts[1])
  freeMemoryOf(parts[1])
  expect(whole.byteLength).toBe(10)
  freeMemoryOf(parts[0])
  expect(whole.byteLength).toBe(0)
})

test('memory is not shared that others may use too', () => {
  const pool = new Uint8Array(100)
  const mine = pool.subarray(0, 10)
  const part = mine.subarray(0, 5)
  shareMemory(mine, [part])
  freeMemoryOf(part)
  expect(pool.byteLength).toBe(100)
})
