import { getHeapStatistics, setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, test } from 'vitest'
import { TransientMap, TransientSet } from './transient.ts'

setFlagsFromString('--expose-gc')
const gc = runInNewContext('gc') as NodeJS.GCFunction

const collectYoung = () => gc({ type: 'minor', execution: 'sync' })
const ENTRIES = 12_000
const ENTRY_NUMBERS = 128
const AT_ONCE = 32

/** Bytes on the heap that collections of the young generation leave, once `entries` has reached the old one. */
function bytesLeft(entries: { add(entry: object): void; delete(entry: object): void }): number {
  gc()
  const before = getHeapStatistics().used_heap_size
  let present: number[][] = []
  for (let n = 0; n < ENTRIES; n += AT_ONCE) {
    const next = Array.from({ length: AT_ONCE }, () => new Array<number>(ENTRY_NUMBERS).fill(0.5))
    for (const entry of next) entries.add(entry)
    for (const entry of present) entries.delete(entry)
    present = next
    if (n % 128 === 0) collectYoung()
  }
  for (const entry of present) entries.delete(entry)
  collectYoung()
  return getHeapStatistics().used_heap_size - before
}

const byKey = <Value extends object>(map: {
  set(key: Value, value: Value): void
  delete(key: Value): unknown
}) => ({
  add: (entry: Value) => map.set(entry, entry),
  delete: (entry: Value) => void map.delete(entry),
})

const ALL_BYTES = ENTRIES * ENTRY_NUMBERS * 8

describe('what was removed is freed by collections of the young generation', () => {
  test('of a map', () => {
    expect(bytesLeft(byKey(new TransientMap<object, object>()))).toBeLessThan(ALL_BYTES / 4)
  })

  test('of a set', () => {
    expect(bytesLeft(new TransientSet<object>())).toBeLessThan(ALL_BYTES / 4)
  })

  test('unlike that of an ordinary one', () => {
    expect(bytesLeft(byKey(new Map<object, object>()))).toBeGreaterThan(ALL_BYTES / 2)
  })
})

test('what is present stays while entries move', () => {
  const map = new TransientMap<number, string>()
  const set = new TransientSet<number>()
  map.set(-9, 'stays')
  set.add(-9)
  for (let n = 0; n < 5000; n++) {
    map.set(n, `${n}`)
    set.add(n)
    map.delete(n - 3)
    set.delete(n - 3)
  }
  expect([...map.keys()]).toEqual([-9, 4997, 4998, 4999])
  expect([...map.values()]).toEqual(['stays', '4997', '4998', '4999'])
  expect(map.get(4998)).toBe('4998')
  expect(map.size).toBe(4)
  expect([...set]).toEqual([-9, 4997, 4998, 4999])
  expect([set.has(-9), set.has(4999), set.has(4990)]).toEqual([true, true, false])
})
