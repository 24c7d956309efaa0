import { readFileSync } from 'node:fs'
import { expect, it } from 'vitest'
import { ProcessorWait } from './processor-wait.ts'

function totalMs(): number {
  return Number(readFileSync('/proc/thread-self/schedstat', 'latin1').split(' ')[1]) / 1e6
}

it.skipIf(process.platform !== 'linux')(
  'is the time that the system tells, since it was asked before',
  () => {
    const wait = new ProcessorWait()
    const least = totalMs()
    const first = wait.sinceLast()
    expect(first).toBeGreaterThanOrEqual(least)
    const between = wait.sinceLast()
    const most = totalMs()
    expect(between).toBeGreaterThanOrEqual(0)
    expect(first + between).toBeLessThanOrEqual(most)
  },
)
