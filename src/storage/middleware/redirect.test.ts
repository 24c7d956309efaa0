import { expect, test } from 'vitest'
import { expectStorageError } from '../../../test/contract/storage-driver/support.ts'
import { SigningDriver } from '../../../test/support/signing-driver.ts'
import type { StorageDriver } from '../../core/storage-driver.ts'
import { MemoryDriver } from '../memory.ts'
import { redirect } from './redirect.ts'
import { RedirectingDriver } from './redirecting-driver.ts'

const path = '/docker/registry/v2/blobs/sha256/ab/abcd/data'

function redirected(driver: StorageDriver, baseUrl: string): StorageDriver {
  return new RedirectingDriver(driver, redirect({ baseUrl }))
}

test.each([
  ['https://cdn.example.com', `https://cdn.example.com${path}`],
  ['https://cdn.example.com/', `https://cdn.example.com${path}`],
  ['http://cdn.example.com:8080/registry', `http://cdn.example.com:8080/registry${path}`],
  ['http://cdn.example.com:8080/registry/eu/', `http://cdn.example.com:8080/registry/eu${path}`],
  ['https://user@cdn.example.com/a%20b/?token=x#y', `https://cdn.example.com/a%20b${path}`],
])('below %s', async (baseUrl, expected) => {
  const url = await redirected(new MemoryDriver(), baseUrl).redirectUrl(path)
  expect(url?.href).toBe(expected)
})

test("the driver's own URL is not asked for", async () => {
  const driver = new SigningDriver()
  const url = await redirected(driver, 'https://a.example').redirectUrl('/file')
  expect(url?.href).toBe('https://a.example/file')
  expect(driver.addresses).toEqual([])
})

test('what is no path leads nowhere', async () => {
  const driver = redirected(new MemoryDriver(), 'https://a.example/files')
  await expectStorageError(driver.redirectUrl('/../secrets'), 'PATH_INVALID')
})
