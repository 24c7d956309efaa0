import { describe } from 'vitest'
import { describeStorageDriver } from '../../../test/contract/storage-driver.ts'
import { s3DriverUnderTest, s3ServerForTests, skipReason } from '../../../test/support/s3-driver.ts'

describe.skipIf(skipReason('seaweedfs'))(`over seaweedfs${skipReason('seaweedfs') ?? ''}`, () => {
  const server = s3ServerForTests('seaweedfs')
  describeStorageDriver('s3', () => s3DriverUnderTest(server()), { maxNameBytes: 200 })
})
