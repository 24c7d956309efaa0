/** A collector that dies at any call of the storage, before it is made or after: the next one finishes, and nothing is lost. */
import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { Quarantine } from '../../src/core/collection/quarantine.ts'
import { digestOf } from '../../src/core/digest.ts'
import { FilesystemDriver } from '../../src/storage/filesystem.ts'
import { MemoryDriver } from '../../src/storage/memory.ts'
import { collectAll } from '../contract/storage-driver/support.ts'
import { copiedDriver } from '../support/copied-driver.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { fill, survives } from './gc/kills.ts'

test.each([0, 1] as const)('in memory, before and after calls in turn (%i)', async (parity) => {
  expect(await survives(async () => new MemoryDriver(), parity)).toBeGreaterThan(20)
})

test.each([0, 1] as const)('on a disk, before and after calls in turn (%i)', async (parity) => {
  await using folder = await temporaryFolder()
  let number = 0
  const openDriver = () => FilesystemDriver.open({ root: `${folder.path}/${number++}` })
  expect(await survives(openDriver, parity)).toBeGreaterThan(20)
})

test('with quarantine, what is deleted has a copy there', async () => {
  const filled = new MemoryDriver()
  await fill(filled)
  const opened: MemoryDriver[] = []
  const openDriver = async () => {
    const driver = await copiedDriver(filled)
    opened.push(driver)
    await delay(20)
    return driver
  }
  const options = { mode: { coexist: true }, isFilled: true } as const
  expect(await survives(openDriver, 0, options)).toBeGreaterThan(20)
  for (const driver of opened) {
    for (const blob of ['garbage 2', 'garbage 3']) {
      const copies = await collectAll(new Quarantine(driver).find(digestOf(Buffer.from(blob)), 'collected'))
      expect(Buffer.from(await driver.get(copies[0]?.path as string)).toString()).toBe(blob)
    }
  }
})
