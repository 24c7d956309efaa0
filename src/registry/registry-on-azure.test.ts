import { afterAll, beforeAll } from 'vitest'
import { describeRegistry } from '../../test/contract/registry.ts'
import { openAzureDriver } from '../../test/support/azure-driver.ts'
import { Azurite } from '../../test/support/azurite.ts'

let azurite: Azurite
beforeAll(async () => {
  azurite = await Azurite.start()
})
afterAll(() => azurite.stop())

describeRegistry('azure', () => openAzureDriver(azurite))
