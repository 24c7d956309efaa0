import { expect, test } from 'vitest'
import { describeStorageDriver } from '../../test/contract/storage-driver.ts'
import { MemoryDriver } from '../storage/memory.ts'
import { ForwardingDriver } from './forwarding-driver.ts'
import type { StorageDriver } from './storage-driver.ts'

describeStorageDriver('that is behind another', async () => {
  const driver = new ForwardingDriver(new MemoryDriver())
  return { driver, another: async () => driver, close: () => driver.close() }
})

const methods = Object.getOwnPropertyNames(ForwardingDriver.prototype).filter(
  (name) => !['constructor', 'aroundCall', 'aroundSteps'].includes(name),
) as Exclude<keyof StorageDriver, 'name' | 'scansFolders'>[]

test.each(methods)('%s reaches the driver with all that was given, and its answer comes back', (method) => {
  const behind = new MemoryDriver()
  const calls: unknown[][] = []
  Object.assign(behind, {
    [method]: (...given: unknown[]) => {
      calls.push(given)
      return 'the answer'
    },
  })
  const driver: ForwardingDriver = new ForwardingDriver(behind)
  const { length } = driver[method]
  const given = [{ one: 1 }, { two: 2 }, { three: 3 }].slice(0, length)
  const answer = (driver[method] as (...given: unknown[]) => unknown)(...given)
  expect([answer, calls]).toEqual(['the answer', [given]])
})

test('it has the name of the driver', () => {
  expect(new ForwardingDriver(new MemoryDriver()).name).toBe('inmemory')
})
