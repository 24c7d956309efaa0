import { expect, test } from 'vitest'
import { describeStorageDriver } from '../../../test/contract/storage-driver.ts'
import { FaultyDriver } from '../../../test/support/faulty-driver.ts'
import { temporaryFolder } from '../../../test/support/temporary-folder.ts'
import { FilesystemDriver } from '../filesystem.ts'
import { MemoryDriver } from '../memory.ts'
import { ForwardingDriver } from './forwarding-driver.ts'

describeStorageDriver('filesystem behind another', async () => {
  const root = await temporaryFolder()
  const another = async () => new ForwardingDriver(await FilesystemDriver.open({ root: root.path }))
  const driver = await another()
  return {
    driver,
    another,
    async close() {
      await driver.close()
      await root.remove()
    },
  }
})

test('the driver behind it has its name, is asked for what is left over, and is closed with it', async () => {
  const driver = new FaultyDriver(new MemoryDriver())
  const forwarding = new ForwardingDriver(driver)
  expect(forwarding.name).toBe('inmemory')
  for await (const leftover of forwarding.leftovers()) expect.unreachable(leftover.path)
  await forwarding.close()
  expect(driver.calls.map(({ method }) => method)).toEqual(['leftovers', 'close'])
})
