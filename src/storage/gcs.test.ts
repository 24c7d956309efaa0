import { afterAll, beforeAll, vi } from 'vitest'
import { describeStorageDriver } from '../../test/contract/storage-driver.ts'
import { describeWith } from '../../test/support/describe-with.ts'
import { FakeGcsServer } from '../../test/support/fake-gcs-server.ts'
import { GcsDriver, type GcsOptions } from './gcs.ts'

const KIB = 1024
const RETRY = { maxRetries: 3, retryDelayMultiplier: 1, maxRetryDelay: 0.02 }

describeWith(['fake-gcs-server'], 'Google Cloud Storage', () => {
  let server: FakeGcsServer
  beforeAll(async () => {
    server = await FakeGcsServer.start()
    vi.stubEnv('STORAGE_EMULATOR_HOST', server.url)
  })
  afterAll(async () => {
    vi.unstubAllEnvs()
    await server[Symbol.asyncDispose]()
  })

  async function optionsFor(changes: Partial<GcsOptions> = {}): Promise<GcsOptions> {
    return {
      bucket: await server.createBucket(),
      keyfile: '',
      credentials: {},
      rootdirectory: '',
      chunksize: 256 * KIB,
      maxconcurrency: 50,
      useragent: '',
      retryOptions: RETRY,
      ...changes,
    }
  }

  async function open(changes: Partial<GcsOptions> = {}) {
    const options = await optionsFor(changes)
    const drivers = [await GcsDriver.open(options)]
    const another = async () => {
      const driver = await GcsDriver.open(options)
      drivers.push(driver)
      return driver
    }
    const close = async () => {
      await Promise.all(drivers.map((driver) => driver.close()))
    }
    return { driver: drivers[0] as GcsDriver, childCount: 2_500, another, close }
  }

  describeStorageDriver('gcs', () => open({ rootdirectory: '/some/root/' }))
})
