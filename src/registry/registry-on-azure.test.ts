import { afterAll, beforeAll, vi } from 'vitest'
import { describeRegistry } from '../../test/contract/registry.ts'
import { openAzureDriver } from '../../test/support/azure-driver.ts'
import { Azurite } from '../../test/support/azurite.ts'

// The emulator has one thread, so it is slow under load.
vi.setConfig({ testTimeout: 120_000 })

let azurite: Azurite
beforeAll(async () => {
  azurite = await Azurite.start()
})
afterAll(() => azurite.stop())

describeRegistry('azure', () => openAzureDriver(azurite))
