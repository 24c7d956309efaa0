import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { afterEach, beforeAll, describe, expect, it } from 'vitest'
import { collect, distinctBytes, expectSameBytes } from '../../../test/contract/storage-driver/support.ts'
import { Authority } from '../../../test/support/authority.ts'
import { MIB, S3Replicas, s3ServerForTests, s3Settings, skipReason } from '../../../test/support/s3-driver.ts'

const usual = getCACertificates('default')
afterEach(() => setDefaultCACertificates(usual))

describe.skipIf(skipReason('versitygw'))(`over versitygw with TLS${skipReason('versitygw') ?? ''}`, () => {
  let authority: Authority
  beforeAll(async () => {
    authority = await Authority.create('the authority')
  })
  const server = s3ServerForTests('versitygw', async () => ({ keyPair: await authority.issue('store') }))

  it.each([
    ['whose certificate is valid', false],
    ['whose certificate is not verified', true],
  ])('a store %s keeps what it gets', async (_what, skipverify) => {
    if (!skipverify) setDefaultCACertificates([...usual, authority.cert])
    await using replicas = await S3Replicas.start(s3Settings(server(), { skipverify }))
    const driver = await replicas.open()
    const content = distinctBytes(20 * MIB + 7)
    await driver.put('/a/file', content)
    for (let round = 0; round < 3; round++) expectSameBytes(await collect(driver.read('/a/file')), content)
    const range = { start: 3, end: 9 * MIB }
    expectSameBytes(await collect(driver.read('/a/file', { range })), content.subarray(3, 9 * MIB + 1))
  })

  it('a store whose certificate nobody vouches for is refused', async () => {
    await using replicas = await S3Replicas.start(s3Settings(server()))
    await expect(replicas.open()).rejects.toThrow('unable to verify the first certificate')
  })
})
