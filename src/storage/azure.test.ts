import { afterAll, beforeAll } from 'vitest'
import { describeStorageDriver } from '../../test/contract/storage-driver.ts'
import { AZURITE_ACCOUNT, AZURITE_KEY, Azurite } from '../../test/support/azurite.ts'
import { quiet } from '../../test/support/http-registry.ts'
import type { AzureSettings } from './azure/settings.ts'
import { AzureDriver } from './azure.ts'

let azurite: Azurite
beforeAll(async () => {
  azurite = await Azurite.start()
})
afterAll(() => azurite.stop())

/** Settings for a container of the emulator. */
function settingsFor(container: string, changes: Partial<AzureSettings> = {}): AzureSettings {
  return {
    accountname: AZURITE_ACCOUNT,
    accountkey: AZURITE_KEY,
    container,
    realm: 'core.windows.net',
    serviceurl: azurite.serviceUrl,
    connectionstring: '',
    credentials: { clientid: '', tenantid: '', secret: '' },
    rootdirectory: '/the/root/',
    legacyrootprefix: false,
    max_retries: 3,
    retry_delay: 10,
    copy_status_poll_max_retry: 5,
    copy_status_poll_delay: 10,
    skipverify: false,
    ...changes,
  }
}

async function open() {
  const container = await azurite.container()
  const settings = settingsFor(container.containerName)
  const driver = await AzureDriver.open(settings, quiet)
  const opened = [driver]
  const another = async () => {
    const second = await AzureDriver.open(settings, quiet)
    opened.push(second)
    return second
  }
  const close = async () => {
    await Promise.all(opened.map((one) => one.close()))
    await container.delete()
  }
  return { driver, another, close }
}

describeStorageDriver('azure', open)
