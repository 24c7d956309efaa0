import { afterAll, beforeAll } from 'vitest'
import { describeStorageDriver } from '../../test/contract/storage-driver.ts'
import { openAzureDriver } from '../../test/support/azure-driver.ts'
import { Azurite } from '../../test/support/azurite.ts'

let azurite: Azurite
beforeAll(async () => {
  azurite = await Azurite.start()
})
afterAll(() => azurite.stop())

// A few more than a page of a listing has.
describeStorageDriver('azure', () => openAzureDriver(azurite), { manyChildren: 5_500 })
