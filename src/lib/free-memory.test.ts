import { expect, test } from 'vitest'
import { freeMemoryOf, passOnMemory } from './free-memory.ts'

test('memory of its own is freed, a part of other memory is not', () => {
  const own = new Uint8Array(10)
  freeMemoryOf(own)
  expect(own.byteLength).toBe(0)
  const whole = new Uint8Array(10)
  freeMemoryOf(whole.subarray(0, 5))
  expect(whole.byteLength).toBe(10)
})

test('memory is freed with the only part of it that is used, and not with another', () => {
  const whole = new Uint8Array(10)
  const part = whole.subarray(1, 4)
  passOnMemory(part)
  freeMemoryOf(whole.subarray(1, 4))
  expect(whole.byteLength).toBe(10)
  freeMemoryOf(part)
  freeMemoryOf(part)
  expect(whole.byteLength).toBe(0)
})

test('the pool of small buffers is never freed', () => {
  const pooled = Buffer.from('bytes')
  passOnMemory(pooled)
  freeMemoryOf(pooled)
  expect(pooled.toString()).toBe('bytes')
})
