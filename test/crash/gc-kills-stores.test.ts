/** A collector that dies at calls of an object store: a sample of them, or with `GC_KILLS=all` every one, which takes long. */
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { StorageDriver } from '../../src/core/storage-driver.ts'
import { openAzureDriver } from '../support/azure-driver.ts'
import { Azurite } from '../support/azurite.ts'
import { describeOnGcs } from '../support/gcs-under-test.ts'
import { seededRandom } from '../support/random.ts'
import { S3Replicas, s3ServerForTests, s3Settings, skipReason } from '../support/s3-driver.ts'
import { IN_SECONDS, survives } from './gc/kills.ts'

const isAll = process.env.GC_KILLS === 'all'
const seed = process.env.GC_KILLS_SEED ?? String(Date.now())
const SAMPLE_ONE_IN = 23
const MINUTES_30 = 1_800_000

const toClose: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of toClose.splice(0)) await close()
})

function testKills(openDriver: () => Promise<StorageDriver>): void {
  test.each(isAll ? ([0, 1] as const) : ([0] as const))(
    `every collector after it finishes (%i, seed ${seed})`,
    async (parity) => {
      const oneIn = isAll ? 1 : SAMPLE_ONE_IN
      const first = 1 + seededRandom(seed).below(oneIn)
      const calls = await survives(openDriver, parity, { first, oneIn, timing: IN_SECONDS })
      expect(calls).toBeGreaterThan(20)
    },
    MINUTES_30,
  )
}

describe.skipIf(skipReason('versitygw'))(`S3 of versitygw${skipReason('versitygw') ?? ''}`, () => {
  const server = s3ServerForTests('versitygw')
  testKills(async () => {
    const replicas = await S3Replicas.start(s3Settings(server()))
    toClose.push(() => replicas[Symbol.asyncDispose]())
    return replicas.open()
  })
})

describeOnGcs('Google Cloud Storage', (current) => {
  testKills(async () => {
    const { driver, close } = await current().open()
    toClose.push(close)
    return driver
  })
})

describe('Azure', () => {
  let azurite: Azurite
  beforeAll(async () => {
    azurite = await Azurite.start()
  })
  afterAll(() => azurite[Symbol.asyncDispose]())
  testKills(async () => {
    const { driver, close } = await openAzureDriver(azurite)
    toClose.push(close)
    return driver
  })
})
