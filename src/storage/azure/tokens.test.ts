/** Tokens in place of an account key, over TLS, as the service requires. */
import { request } from 'node:https'
import { buffer } from 'node:stream/consumers'
import {
  BlobServiceClient,
  type ContainerClient,
  newPipeline,
  type StoragePipelineOptions,
  StorageSharedKeyCredential,
} from '@azure/storage-blob'
import { UnsecuredJWT } from 'jose'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import { writeFile } from '../../../test/contract/storage-driver/support.ts'
import { Authority } from '../../../test/support/authority.ts'
import { azureSettings } from '../../../test/support/azure-driver.ts'
import { AZURITE_ACCOUNT, AZURITE_KEY, Azurite } from '../../../test/support/azurite.ts'
import { RecordedLog } from '../../../test/support/recorded-log.ts'
import { AzureDriver } from '../azure.ts'
import { agentFor } from './agent.ts'

let azurite: Azurite
let ca: string
beforeAll(async () => {
  const authority = await Authority.create('the cloud')
  ca = authority.cert
  azurite = await Azurite.start({ tls: await authority.issue('azurite') })
})
afterAll(() => azurite.stop())

/** Like a token of Microsoft Entra ID, without a valid signature, which the emulator does not verify. */
let isRevoked = false
async function token() {
  const now = Math.floor(Date.now() / 1000)
  const claims = { oid: '1', tid: '2', nbf: now - 60 }
  const jwt = new UnsecuredJWT(claims)
    .setIssuer('https://sts.windows.net/2/')
    .setAudience('https://storage.azure.com')
    .setIssuedAt(now)
    .setExpirationTime(now + 3600)
  // Each is used once.
  return { token: isRevoked ? 'revoked' : jwt.encode(), expiresOnTimestamp: Date.now() }
}

let container: ContainerClient
let driver: AzureDriver
let logged: RecordedLog
beforeEach(async () => {
  logged = await RecordedLog.start()
  container = await makeContainer()
  const settings = azureSettings({
    accountkey: '',
    container: container.containerName,
    serviceurl: azurite.serviceUrl,
    skipverify: true,
    credentials: { type: 'default_credentials', clientid: '', tenantid: '', secret: '' },
  })
  driver = await AzureDriver.open(settings, { log: logged.log, tokens: async () => ({ getToken: token }) })
})
afterEach(async () => {
  isRevoked = false
  await driver.close()
})

/** Created with the account's key, which the driver does not have. */
async function makeContainer(): Promise<ContainerClient> {
  const options: StoragePipelineOptions & { agent: unknown } = {
    agent: agentFor(azurite.serviceUrl, { skipverify: true }),
  }
  const credential = new StorageSharedKeyCredential(AZURITE_ACCOUNT, AZURITE_KEY)
  const service = new BlobServiceClient(azurite.serviceUrl, newPipeline(credential, options))
  return (await service.createContainer(`test-${Date.now()}`)).containerClient
}

it('files are written, copied, read and removed', async () => {
  await writeFile(driver, '/upload/data', [Buffer.from('content')])
  await driver.move('/upload/data', '/blob/data')
  expect(Buffer.from(await driver.get('/blob/data')).toString()).toBe('content')
  await driver.put('/blob/data', Buffer.from('other'))
  await driver.delete('/blob')
  await expect(driver.stat('/blob')).rejects.toMatchObject({ code: 'PATH_NOT_FOUND' })
})

it('a client is sent to a URL that is signed with a key of the service, which is asked for once', async () => {
  await driver.put('/a/file', Buffer.from('content'))
  const urls = await Promise.all(['/a/file', '/a/file', '/a/other'].map((path) => driver.redirectUrl(path)))
  expect(await get(urls[0]!)).toEqual({ status: 200, body: 'content' })
  expect(await get(urls[2]!)).toMatchObject({ status: 404 })
  expect(urls[0]!.protocol).toBe('https:')
  expect(urls[0]!.searchParams.get('spr')).toBe('https')
  const keys = urls.map((url) => url!.searchParams.get('skt'))
  expect(new Set(keys).size).toBe(1)
})

it('without such a key content comes through the registry, and the log says so once', async () => {
  await driver.put('/a/file', Buffer.from('content'))
  isRevoked = true
  expect(await driver.redirectUrl('/a/file')).toBeUndefined()
  isRevoked = false
  expect(await driver.redirectUrl('/a/file')).toBeUndefined()
  expect(logged.lines.filter((line) => line.includes('no key for signing redirects'))).toHaveLength(1)
})

function get(url: URL): Promise<{ status: number | undefined; body: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number | undefined; body: string }>()
  const outgoing = request(url, { agent: false, ca }, (incoming) => {
    buffer(incoming).then((body) => resolve({ status: incoming.statusCode, body: body.toString() }), reject)
  })
  outgoing.on('error', reject).end()
  return promise
}
