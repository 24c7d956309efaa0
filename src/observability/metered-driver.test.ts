import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import { describeStorageDriver } from '../../test/contract/storage-driver.ts'
import { FaultyDriver } from '../../test/support/faulty-driver.ts'
import { StorageError } from '../core/errors.ts'
import { MemoryDriver } from '../storage/memory.ts'
import { MeteredDriver } from './metered-driver.ts'

describeStorageDriver('that is metered', async () => {
  const driver = new MeteredDriver(new MemoryDriver(), { observe() {} })
  return { driver, another: async () => driver, close: () => driver.close() }
})

const bytes = Buffer.from('content')

function start() {
  const behind = new FaultyDriver(new MemoryDriver())
  const observed: { action: string; seconds: number }[] = []
  const driver = new MeteredDriver(behind, {
    observe: (action, seconds) => observed.push({ action, seconds }),
  })
  /** The actions observed since the last call. */
  const actions = () => observed.splice(0).map(({ action }) => action)
  return { driver, behind, observed, actions }
}

async function drain<T>(source: AsyncIterable<T>): Promise<T[]> {
  const items: T[] = []
  for await (const item of source) items.push(item)
  return items
}

describe('the metered driver', () => {
  it('is called what the driver behind it is called', () => {
    expect(start().driver.name).toBe('inmemory')
  })

  it('observes each action once, under its name', async () => {
    const { driver, actions } = start()
    await driver.put('/a/file', bytes)
    await driver.stat('/a/file')
    await driver.get('/a/file')
    await drain(driver.read('/a/file'))
    await drain(driver.list('/a'))
    await driver.redirectUrl('/a/file')
    await driver.move('/a/file', '/a/other')
    await driver.delete('/a/other')
    const eight = ['PutContent', 'Stat', 'GetContent', 'Reader', 'List', 'URLFor', 'Move', 'Delete']
    expect(actions()).toEqual(eight)
  })

  it('observes a writer when it has been closed', async () => {
    const { driver, actions } = start()
    const writer = await driver.append('/file')
    await writer.write(bytes)
    await writer.sync()
    expect(actions()).toEqual([])
    await writer.close()
    expect(actions()).toEqual(['Writer'])
  })

  it('observes what fails too, and lets the error through', async () => {
    const { driver, behind, actions } = start()
    behind.fault = ({ path }) => new StorageError('BACKEND_FAILED', { path })
    const failing = { code: 'BACKEND_FAILED' }
    await expect(driver.get('/a')).rejects.toMatchObject(failing)
    await expect(drain(driver.read('/a'))).rejects.toMatchObject(failing)
    await expect(drain(driver.list('/a'))).rejects.toMatchObject(failing)
    await expect(driver.append('/a')).rejects.toMatchObject(failing)
    expect(actions()).toEqual(['GetContent', 'Reader', 'List', 'Writer'])
  })

  it('observes a read that is given up, and lets go of what it holds', async () => {
    const { driver, behind, actions } = start()
    let isReleased = false
    behind.read = async function* () {
      try {
        yield bytes
        yield bytes
      } finally {
        isReleased = true
      }
    }
    for await (const _chunk of driver.read('/file')) break
    expect(isReleased).toBe(true)
    expect(actions()).toEqual(['Reader'])
  })

  it('counts the time of the driver, not of its caller between two steps', async () => {
    const { driver, behind, observed } = start()
    behind.list = async function* () {
      for (const name of ['a', 'b']) {
        await delay(30)
        yield { name, kind: 'file' }
      }
    }
    const startedAt = performance.now()
    for await (const _entry of driver.list('/')) await delay(200)
    const tookSeconds = (performance.now() - startedAt) / 1000
    expect(observed[0]!.seconds).toBeGreaterThan(0.055)
    expect(observed[0]!.seconds).toBeLessThan(tookSeconds - 0.39)
  })
})
