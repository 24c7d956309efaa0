/** Drivers over containers of an emulator. */
import type { AzureSettings } from '../../src/storage/azure/settings.ts'
import { AzureDriver } from '../../src/storage/azure.ts'
import type { DriverUnderTest } from '../contract/storage-driver.ts'
import { AZURITE_ACCOUNT, AZURITE_KEY, type Azurite } from './azurite.ts'
import { quiet } from './http-registry.ts'

/** As they come from a configuration, with the emulator's account and little patience. */
export function azureSettings(settings: Partial<AzureSettings>): AzureSettings {
  return {
    accountname: AZURITE_ACCOUNT,
    accountkey: AZURITE_KEY,
    container: 'registry',
    realm: 'core.windows.net',
    serviceurl: '',
    connectionstring: '',
    credentials: { clientid: '', tenantid: '', secret: '' },
    rootdirectory: '/the/root/',
    legacyrootprefix: false,
    max_retries: 3,
    retry_delay: 10,
    copy_status_poll_max_retry: 5,
    copy_status_poll_delay: 10,
    skipverify: false,
    ...settings,
  }
}

/** A driver over a container of its own, which goes when it is closed. */
export async function openAzureDriver(
  azurite: Azurite,
  changes: Partial<AzureSettings> = {},
): Promise<DriverUnderTest> {
  const container = await azurite.container()
  const { containerName } = container
  const settings = azureSettings({ container: containerName, serviceurl: azurite.serviceUrl, ...changes })
  const driver = await AzureDriver.open(settings, { log: quiet })
  const opened = [driver]
  const another = async () => {
    const second = await AzureDriver.open(settings, { log: quiet })
    opened.push(second)
    return second
  }
  const close = async () => {
    await Promise.all(opened.map((one) => one.close()))
    await container.delete()
  }
  return { driver, another, close }
}
