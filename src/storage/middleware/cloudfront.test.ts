import { generateKeyPairSync } from 'node:crypto'
import { expect, onTestFinished, test, vi } from 'vitest'
import { expectStorageError } from '../../../test/contract/storage-driver/support.ts'
import { startAnswering } from '../../../test/support/answering-server.ts'
import { isSigned } from '../../../test/support/cloudfront-edge.ts'
import { quiet } from '../../../test/support/http-registry.ts'
import { BUCKET, SigningDriver } from '../../../test/support/signing-driver.ts'
import { AwsRanges } from './aws-ranges.ts'
import { type CloudFrontOptions, cloudFront } from './cloudfront.ts'
import { RedirectingDriver } from './redirecting-driver.ts'

const keys = generateKeyPairSync('rsa', { modulusLength: 2048 })

const options: CloudFrontOptions = {
  baseUrl: 'https://abc.cloudfront.net/',
  rootDirectory: '',
  keyPairId: 'K2JCJMDEHXQW5F',
  privateKey: keys.privateKey.export({ type: 'pkcs1', format: 'pem' }) as string,
  durationMs: 1_200_000,
}

function driverBehind(changes: Partial<CloudFrontOptions> = {}): RedirectingDriver {
  return new RedirectingDriver(new SigningDriver(), cloudFront({ ...options, ...changes }))
}

test('a client is sent to CloudFront, by a URL that it will take', async () => {
  const before = Math.floor(Date.now() / 1000)
  const url = (await driverBehind().redirectUrl('/docker/file'))!
  expect(url.origin + url.pathname).toBe('https://abc.cloudfront.net/docker/file')
  expect([...url.searchParams.keys()].sort()).toEqual(['Expires', 'Key-Pair-Id', 'Signature'])
  expect(url.searchParams.get('Key-Pair-Id')).toBe('K2JCJMDEHXQW5F')
  const lifetime = Number(url.searchParams.get('Expires')) - before
  expect(lifetime).toBeGreaterThanOrEqual(1200)
  expect(lifetime).toBeLessThan(1205)
  expect(isSigned(url, keys.publicKey)).toBe(true)
  url.pathname = '/docker/other'
  expect(isSigned(url, keys.publicKey)).toBe(false)
})

test.each([
  ['https://abc.cloudfront.net', '', 'https://abc.cloudfront.net/file'],
  ['https://abc.cloudfront.net/', '/', 'https://abc.cloudfront.net/file'],
  ['https://cdn.example.com/images', '', 'https://cdn.example.com/images/file'],
  ['https://cdn.example.com/images/', '/prefix/', 'https://cdn.example.com/images/prefix/file'],
  ['https://abc.cloudfront.net/', 'some/prefix', 'https://abc.cloudfront.net/some/prefix/file'],
  ['https://abc.cloudfront.net/', 'my files', 'https://abc.cloudfront.net/my%20files/file'],
])('below %s, the keys of a bucket with the root %j', async (baseUrl, rootDirectory, expected) => {
  const url = (await driverBehind({ baseUrl, rootDirectory }).redirectUrl('/file'))!
  expect(url.origin + url.pathname).toBe(expected)
  expect(isSigned(url, keys.publicKey)).toBe(true)
})

test('whoever asks soon after another gets the same URL', async () => {
  const driver = driverBehind()
  const first = await driver.redirectUrl('/file')
  // The cache expires by another clock.
  vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + 10_000 })
  onTestFinished(() => void vi.useRealTimers())
  expect(await driver.redirectUrl('/file')).toEqual(first)
  expect(await driver.redirectUrl('/other')).not.toEqual(first)
  expect(await driverBehind().redirectUrl('/file')).not.toEqual(first)
})

test('whoever asks later gets a new one', async () => {
  const driver = driverBehind({ durationMs: 2000 })
  const first = await driver.redirectUrl('/file')
  const isNew = async () => (await driver.redirectUrl('/file'))?.href !== first?.href
  await expect.poll(isNew, { timeout: 5000 }).toBe(true)
})

test('what is no path is not signed', async () => {
  await expectStorageError(driverBehind().redirectUrl('/../secrets'), 'PATH_INVALID')
})

test('clients in Amazon go to the bucket, others and those without an address to CloudFront', async () => {
  const list = { prefixes: [{ ip_prefix: '3.5.0.0/16' }], ipv6_prefixes: [] }
  await using server = await startAnswering((_request, response) => response.end(JSON.stringify(list)))
  const direct = new AwsRanges({ url: server.url, regions: [], updateMs: 60_000, log: quiet })
  const driver = driverBehind({ direct })
  const hostFor = async (address: string) => (await driver.redirectUrl('/file', { address }))?.hostname
  expect(await hostFor('3.5.1.1')).toBe('abc.cloudfront.net')
  await direct.update()
  expect(await hostFor('3.5.1.1')).toBe(new URL(BUCKET).hostname)
  expect(await hostFor('3.6.1.1')).toBe('abc.cloudfront.net')
  expect(await hostFor('')).toBe('abc.cloudfront.net')
  expect((await driver.redirectUrl('/file'))?.hostname).toBe('abc.cloudfront.net')
  direct.close()
})
