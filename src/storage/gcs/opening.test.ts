import { writeFile as writeToDisk } from 'node:fs/promises'
import { expect, it, vi } from 'vitest'
import { expectStorageError } from '../../../test/contract/storage-driver/support.ts'
import { describeOnGcs } from '../../../test/support/gcs-under-test.ts'
import { serviceAccount } from '../../../test/support/service-account.ts'
import { temporaryFolder } from '../../../test/support/temporary-folder.ts'
import { GcsDriver } from '../gcs.ts'

describeOnGcs('the start of the driver gcs', (current) => {
  const refused = (changes: object) =>
    current()
      .options(changes)
      .then((options) => expectStorageError(GcsDriver.open(options), 'BACKEND_FAILED'))

  it('without the bucket says so', async () => {
    const { message } = await refused({ bucket: 'absent' })
    expect(message).toMatch(/^storage\.gcs\.bucket: .*the bucket absent does not exist/)
  })

  it('with a host that is not there says which', async () => {
    const options = await current().options()
    vi.stubEnv('STORAGE_EMULATOR_HOST', 'http://127.0.0.1:1')
    const error = await expectStorageError(GcsDriver.open(options), 'BUSY')
    expect(error.message).toMatch(/^storage\.gcs\.bucket: .*http:\/\/127\.0\.0\.1:1: .*ECONNREFUSED/)
    vi.stubEnv('STORAGE_EMULATOR_HOST', 'localhost:4443')
    const { message } = await expectStorageError(GcsDriver.open(options), 'BACKEND_FAILED')
    expect(message).toContain('STORAGE_EMULATOR_HOST')
    vi.stubEnv('STORAGE_EMULATOR_HOST', current().server.url)
  })

  it('with a key file that cannot be used says why', async () => {
    await using folder = await temporaryFolder()
    const keyfile = `${folder.path}/key.json`
    expect((await refused({ keyfile })).message).toMatch(/^storage\.gcs\.keyfile: .*ENOENT/)
    await writeToDisk(keyfile, '{')
    expect((await refused({ keyfile })).message).toMatch(/^storage\.gcs\.keyfile: .*is not JSON/)
    await writeToDisk(keyfile, '{"type": "service_account"}')
    expect((await refused({ keyfile })).message).toMatch(/^storage\.gcs\.keyfile: .*no private_key/)
  })

  it('with credentials that lack something says so', async () => {
    const { message } = await refused({ credentials: { client_email: 'registry@example.com' } })
    expect(message).toMatch(/^storage\.gcs\.credentials: .*no private_key/)
  })

  it('with a key file that is one can sign', async () => {
    await using folder = await temporaryFolder()
    const keyfile = `${folder.path}/key.json`
    await writeToDisk(keyfile, JSON.stringify(serviceAccount().credentials))
    const { driver, close } = await current().open({ keyfile })
    expect(await driver.redirectUrl('/file')).toBeInstanceOf(URL)
    await close()
  })
})
