import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { Liveness } from './liveness.ts'

beforeEach(() => {
  vi.useFakeTimers()
})
afterEach(() => {
  vi.useRealTimers()
})

test('a worker that does not answer any more is told of once, and the others are asked on', () => {
  const silent: number[] = []
  const deaf = new Set<number>()
  const liveness = new Liveness({
    ask: (id) => !deaf.has(id) && liveness.answered(id),
    onSilent: (id) => silent.push(id),
  })
  for (const id of [1, 2, 3]) liveness.watch(id)
  vi.advanceTimersByTime(120_000)
  expect(silent).toEqual([])
  deaf.add(2).add(3)
  liveness.forget(3)
  vi.advanceTimersByTime(20_000)
  expect(silent).toEqual([])
  vi.advanceTimersByTime(100_000)
  expect(silent).toEqual([2])
  liveness.stop()
  deaf.add(1)
  vi.advanceTimersByTime(100_000)
  expect(silent).toEqual([2])
})
