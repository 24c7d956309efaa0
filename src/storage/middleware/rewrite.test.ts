import { expect, test } from 'vitest'
import { SigningDriver } from '../../../test/support/signing-driver.ts'
import type { StorageDriver } from '../../core/storage-driver.ts'
import { MemoryDriver } from '../memory.ts'
import { RedirectingDriver } from './redirecting-driver.ts'
import { type RewriteOptions, rewrite } from './rewrite.ts'

const none: RewriteOptions = { scheme: '', host: '', trimPathPrefix: '' }

function rewriting(driver: StorageDriver, options: Partial<RewriteOptions>): StorageDriver {
  return new RedirectingDriver(driver, rewrite({ ...none, ...options }))
}

async function rewritten(options: Partial<RewriteOptions>, path = '/file') {
  const url = await rewriting(new SigningDriver(), options).redirectUrl(path)
  return url?.href
}

test.each<[Partial<RewriteOptions>, string]>([
  [{}, 'https://bucket.example:9000/images/file?signature=a%2Fb'],
  [{ scheme: 'http' }, 'http://bucket.example:9000/images/file?signature=a%2Fb'],
  [{ host: 'cdn.example' }, 'https://cdn.example/images/file?signature=a%2Fb'],
  [{ host: 'cdn.example:8443' }, 'https://cdn.example:8443/images/file?signature=a%2Fb'],
  [{ scheme: 'http', host: '[::1]:80' }, 'http://[::1]/images/file?signature=a%2Fb'],
  [{ trimPathPrefix: '/images' }, 'https://bucket.example:9000/file?signature=a%2Fb'],
  [{ trimPathPrefix: '/images/' }, 'https://bucket.example:9000/file?signature=a%2Fb'],
  [{ trimPathPrefix: '/image' }, 'https://bucket.example:9000/s/file?signature=a%2Fb'],
  [{ trimPathPrefix: '/other' }, 'https://bucket.example:9000/images/file?signature=a%2Fb'],
])('%j', async (options, expected) => {
  expect(await rewritten(options)).toBe(expected)
})

test('a prefix is compared as URLs have it', async () => {
  const driver = Object.assign(new MemoryDriver(), {
    redirectUrl: async (path: string) => new URL(`https://bucket.example/my images${path}`),
  })
  const rewriter = rewriting(driver, { trimPathPrefix: '/my images' })
  expect((await rewriter.redirectUrl('/file'))?.href).toBe('https://bucket.example/file')
})

test('the driver hears who the client is', async () => {
  const driver = new SigningDriver()
  await rewriting(driver, none).redirectUrl('/file', { address: '192.0.2.7' })
  expect(driver.addresses).toEqual(['192.0.2.7'])
})

test('where the driver has no URL there is none', async () => {
  const rewriter = rewriting(new MemoryDriver(), { host: 'cdn.example' })
  expect(await rewriter.redirectUrl('/file')).toBeUndefined()
})
