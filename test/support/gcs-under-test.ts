import { afterAll, afterEach, beforeAll, beforeEach, vi } from 'vitest'
import { GcsDriver, type GcsOptions } from '../../src/storage/gcs.ts'
import type { DriverUnderTest } from '../contract/storage-driver.ts'
import { describeWith } from './describe-with.ts'
import { FakeGcsServer } from './fake-gcs-server.ts'

const RETRIES = { maxRetries: 3, retryDelayMultiplier: 1, maxRetryDelay: 0.02 }

export interface OpenedGcs extends DriverUnderTest {
  /** The bucket's name. */
  readonly bucket: string
}

/** A server for a file of tests, and drivers over buckets of their own. */
export class GcsUnderTest {
  readonly server: FakeGcsServer

  constructor(server: FakeGcsServer) {
    this.server = server
  }

  /** Over a bucket of its own, unless one is named. */
  async options(changes: Partial<GcsOptions> = {}): Promise<GcsOptions> {
    return {
      bucket: changes.bucket ?? (await this.server.createBucket()),
      keyfile: '',
      credentials: {},
      rootdirectory: '',
      chunksize: 256 * 1024,
      maxconcurrency: 50,
      useragent: '',
      retryOptions: RETRIES,
      ...changes,
    }
  }

  async open(changes: Partial<GcsOptions> = {}): Promise<OpenedGcs> {
    const options = await this.options(changes)
    const drivers: GcsDriver[] = []
    const another = async () => {
      const driver = await GcsDriver.open(options)
      drivers.push(driver)
      return driver
    }
    const close = async () => {
      await Promise.all(drivers.map((driver) => driver.close()))
    }
    return { driver: await another(), another, close, bucket: options.bucket }
  }
}

/** A suite on a server of its own, found as the SDK finds it; skipped, with the reason, where the program is not there. */
export function describeOnGcs(title: string, suite: (current: () => GcsUnderTest) => void): void {
  describeWith(['fake-gcs-server'], title, () => {
    let gcs: GcsUnderTest
    beforeAll(async () => {
      gcs = new GcsUnderTest(await FakeGcsServer.start())
      vi.stubEnv('STORAGE_EMULATOR_HOST', gcs.server.url)
    })
    afterEach(() => {
      gcs.server.front.fault = () => undefined
    })
    afterAll(async () => {
      vi.unstubAllEnvs()
      await gcs.server[Symbol.asyncDispose]()
    })
    suite(() => gcs)
  })
}

/** A driver over an empty bucket for every test, which is closed after it. What the front was asked for before is forgotten. */
export function openForEach(current: () => GcsUnderTest, changes?: Partial<GcsOptions>): () => OpenedGcs {
  let opened: OpenedGcs
  beforeEach(async () => {
    opened = await current().open(changes)
    current().server.front.forget()
  })
  afterEach(() => opened.close())
  return () => opened
}
