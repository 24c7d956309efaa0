/** Blobs that clients fetch from the storage by themselves: RFC 9110 section 15.4.8. */
import type { OutgoingHttpHeaders } from 'node:http'
import { expect, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { Redirects } from '../../src/http/reply/redirects.ts'
import type { HttpSettings } from '../../src/http/settings.ts'
import { networkList } from '../../src/lib/networks.ts'
import { type Answer, HttpRegistry } from '../support/http-registry.ts'
import { BUCKET, SigningDriver } from '../support/signing-driver.ts'

/** More than is kept in memory. */
const bytes = Buffer.alloc(256 * 1024, 'blob')
const digest = digestOf(bytes)
const path = `/v2/a/blobs/${digest}`
const hex = digest.slice('sha256:'.length)
const location = `${BUCKET}/docker/registry/v2/blobs/sha256/${hex.slice(0, 2)}/${hex}/data?signature=a%2Fb`

async function registryWithBlob(settings: Partial<HttpSettings> = {}) {
  const driver = new SigningDriver()
  const registry = await HttpRegistry.start({ driver, settings })
  await registry.client.pushBlob('a', bytes)
  return Object.assign(registry, { signing: driver })
}

function get(registry: HttpRegistry, headers: OutgoingHttpHeaders = {}): Promise<Answer> {
  return registry.send(`GET ${path}`, { headers })
}

async function statusFor(registry: HttpRegistry, headers: OutgoingHttpHeaders): Promise<number> {
  return (await get(registry, headers)).status
}

test('GET of a blob is sent to the URL that the driver has, which no cache may keep', async () => {
  await using registry = await registryWithBlob()
  const answer = await get(registry)
  expect([answer.status, answer.body.length]).toEqual([307, 0])
  expect(answer.headers).toMatchObject({
    location,
    'docker-content-digest': digest,
    'cache-control': 'no-store',
    'content-length': '0',
  })
  expect(answer.headers.etag).toBeUndefined()
})

test('HEAD is answered here, and asks for no URL', async () => {
  await using registry = await registryWithBlob()
  const answer = await registry.send(`HEAD ${path}`)
  expect([answer.status, answer.headers['content-length']]).toEqual([200, String(bytes.length)])
  expect(registry.signing.addresses).toEqual([])
})

test('redirects can be switched off', async () => {
  await using registry = await registryWithBlob({ redirects: undefined })
  expect((await get(registry)).body).toEqual(bytes)
  expect(registry.signing.addresses).toEqual([])
})

test('one range is for the storage, several are answered here', async () => {
  await using registry = await registryWithBlob()
  expect(await statusFor(registry, { range: 'bytes=0-3' })).toBe(307)
  const several = await get(registry, { range: 'bytes=0-3,8-11' })
  expect(several.status).toBe(206)
  expect(several.headers['content-type']).toMatch(/^multipart\/byteranges/)
  expect(registry.signing.addresses).toHaveLength(1)
})

test('a client that has the blob is told so', async () => {
  await using registry = await registryWithBlob()
  const answer = await get(registry, { 'if-none-match': `"${digest}"` })
  expect([answer.status, answer.headers.location]).toEqual([304, undefined])
  expect(answer.headers.etag).toBe(`"${digest}"`)
  expect(await statusFor(registry, { 'if-none-match': '"another"' })).toBe(307)
})

test('what is in memory is sent from there', async () => {
  await using registry = await registryWithBlob()
  const small = Buffer.from('small')
  const smallPath = `/v2/a/blobs/${await registry.client.pushBlob('a', small)}`
  expect((await registry.send(`GET ${smallPath}`)).status).toBe(307)
  await registry.send(`GET ${smallPath}`, { headers: { range: 'bytes=0-0,2-2' } })
  const answer = await registry.send(`GET ${smallPath}`)
  expect([answer.status, answer.body]).toEqual([200, small])
})

test('a blob that the repository does not have is not there, whatever the storage has', async () => {
  await using registry = await registryWithBlob()
  expect((await registry.send(`GET /v2/b/blobs/${digest}`)).status).toBe(404)
})

test('the driver hears where the client comes from, as trusted proxies have it', async () => {
  await using registry = await registryWithBlob({ trustedProxies: networkList(['127.0.0.1']) })
  await get(registry, { 'x-forwarded-for': '203.0.113.9, 198.51.100.7' })
  await get(registry)
  await using direct = await registryWithBlob()
  await get(direct, { 'x-forwarded-for': '198.51.100.7' })
  expect([registry.signing.addresses, direct.signing.addresses]).toEqual([
    ['198.51.100.7', '127.0.0.1'],
    ['127.0.0.1'],
  ])
})

test('addresses can be excepted, and it is trusted proxies that say whose', async () => {
  const redirects = new Redirects({ addresses: ['10.0.0.0/8', 'fd00::/8', '192.0.2.7'] })
  await using registry = await registryWithBlob({ redirects, trustedProxies: networkList(['127.0.0.1']) })
  const from = (address: string) => statusFor(registry, { 'x-forwarded-for': address })
  expect(await from('10.1.2.3')).toBe(200)
  expect(await from('fd12::1')).toBe(200)
  expect(await from('192.0.2.7')).toBe(200)
  expect(await from('192.0.2.8')).toBe(307)
  expect(await from('2001:db8::1')).toBe(307)
  await using direct = await registryWithBlob({ redirects })
  expect(await statusFor(direct, { 'x-forwarded-for': '10.1.2.3' })).toBe(307)
})

test('an excepted client gets all that it would get without redirects', async () => {
  const redirects = new Redirects({ addresses: ['127.0.0.1'] })
  await using registry = await registryWithBlob({ redirects })
  expect((await get(registry)).body).toEqual(bytes)
  expect((await get(registry, { range: 'bytes=1-3' })).body).toEqual(bytes.subarray(1, 4))
  expect(registry.signing.addresses).toEqual([])
})

test('user agents can be excepted', async () => {
  const redirects = new Redirects({ userAgents: ['containerd/*', '*(windows)*'] })
  await using registry = await registryWithBlob({ redirects })
  const by = (userAgent: string) => statusFor(registry, { 'user-agent': userAgent })
  expect(await by('containerd/2.1.0')).toBe(200)
  expect(await by('Docker/28.0 os/windows (Windows) amd64')).toBe(200)
  expect(await by('my-containerd/2.1.0')).toBe(307)
  expect(await statusFor(registry, {})).toBe(307)
})
