import { setTimeout as delay } from 'node:timers/promises'
import { expect, test, vi } from 'vitest'
import { freeMemoryOf, passOnMemory } from '../free-memory.ts'
import { SharedMemory } from './shared-memory.ts'
import { SLAB_BYTES, slabOf } from './slab.ts'

test('memory is used again once all its parts are free and nobody holds it', () => {
  const memory = new SharedMemory({ maxSlabs: 1 })
  const slab = memory.take()!
  const [one, other] = [slab.memory.subarray(0, 10), slab.memory.subarray(10, 30)]
  passOnMemory(one)
  passOnMemory(other)
  slab.hold()
  slab.release() // who filled it
  const isUsed = () => memory.take() === undefined
  expect(isUsed()).toBe(true)
  freeMemoryOf(one)
  freeMemoryOf(other)
  expect(isUsed()).toBe(true)
  slab.release() // who held it
  expect(memory.take()).toBe(slab)
})

test('a part that is freed twice, or was never lent, frees nothing of others', () => {
  const memory = new SharedMemory({ maxSlabs: 1 })
  const slab = memory.take()!
  const part = slab.memory.subarray(0, 10)
  passOnMemory(part)
  slab.release()
  freeMemoryOf(part)
  const again = memory.take()!
  const other = again.memory.subarray(0, 10)
  passOnMemory(other)
  again.release()
  freeMemoryOf(part)
  freeMemoryOf(again.memory.subarray(0, 10))
  expect(memory.take()).toBeUndefined()
  freeMemoryOf(other)
  expect(memory.take()).toBe(slab)
})

test('there is a limit, and what is dropped instead of given back counts no more once it is collected', async () => {
  const memory = new SharedMemory({ maxSlabs: 2 })
  expect(memory.take()?.memory.length).toBe(SLAB_BYTES)
  expect(memory.take()).toBeDefined()
  expect(memory.take()).toBeUndefined()
  const { setFlagsFromString } = await import('node:v8')
  const { runInNewContext } = await import('node:vm')
  setFlagsFromString('--expose-gc')
  const collect: () => void = runInNewContext('gc')
  for (let round = 0; round < 100 && memory.take() === undefined; round++) {
    collect()
    await delay(1)
  }
  expect(memory.take()).toBeDefined()
})

test('unused memory is not kept for ever', () => {
  vi.useFakeTimers()
  try {
    const memory = new SharedMemory({ maxSlabs: 1 })
    const slab = memory.take()!
    slab.release()
    vi.advanceTimersByTime(60_000)
    const other = memory.take()
    expect(other).toBeDefined()
    expect(other).not.toBe(slab)
  } finally {
    vi.useRealTimers()
  }
})

test('other memory is no slab', () => {
  expect(slabOf(Buffer.alloc(10))).toBeUndefined()
  expect(slabOf(Buffer.from(new SharedArrayBuffer(10)))).toBeUndefined()
})
