import { describe } from 'vitest'
import { describeRegistry } from '../../../test/contract/registry.ts'
import { s3DriverUnderTest, s3ServerForTests, skipReason } from '../../../test/support/s3-driver.ts'

describe.skipIf(skipReason('versitygw'))(`over versitygw${skipReason('versitygw') ?? ''}`, () => {
  const server = s3ServerForTests('versitygw')
  describeRegistry('a bucket', () => s3DriverUnderTest(server()))
})
