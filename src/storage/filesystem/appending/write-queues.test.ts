import { expect, test } from 'vitest'
import { WriteQueues } from './write-queues.ts'

const MIB = 1024 * 1024

test('one queue may hold megabytes, many together no more than their budget and a little each', () => {
  const queues = new WriteQueues()
  const held: number[] = []
  for (let index = 0; index < 200; index++) {
    held.push(queues.allowance)
    queues.add(queues.allowance)
  }
  expect(held[0]).toBe(2 * MIB)
  expect(held.at(-1)).toBeGreaterThan(0)
  expect(held.reduce((sum, bytes) => sum + bytes)).toBeLessThan(40 * MIB)
  for (const bytes of held) queues.add(-bytes)
  expect(queues.allowance).toBe(2 * MIB)
})
