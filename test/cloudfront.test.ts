/** `entrepot serve` on a bucket with CloudFront in front of it. */
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { type AnsweringServer, startAnswering } from './support/answering-server.ts'
import { startEdge } from './support/cloudfront-edge.ts'
import { startEntrepot } from './support/entrepot-process.ts'
import { RegistryClient } from './support/registry-client.ts'
import { type S3rver, startS3rver } from './support/s3rver.ts'
import { temporaryFolder } from './support/temporary-folder.ts'

const bucket = 'images'
const rootdirectory = '/some/root'
const bytes = randomBytes(300_000)
const keys = generateKeyPairSync('rsa', { modulusLength: 2048 })

interface Place {
  readonly s3: S3rver
  readonly edge: AnsweringServer
  readonly blobUrl: string
}

/** Gives the test a registry over a bucket, with a blob in it. */
async function atPlace(options: object, use: (place: Place) => Promise<void>): Promise<void> {
  await using folder = await temporaryFolder()
  await using s3 = await startS3rver(bucket)
  await using edge = await startEdge({ publicKey: keys.publicKey, origin: `${s3.endpoint}/${bucket}` })
  const privatekey = join(folder.path, 'key.pem')
  await writeFile(privatekey, keys.privateKey.export({ type: 'pkcs1', format: 'pem' }))
  const cloudfront = { baseurl: edge.url, keypairid: 'K2JCJMDEHXQW5F', privatekey, ...options }
  await using registry = await startEntrepot({
    dataFolder: join(folder.path, 'unused'),
    configFolder: folder.path,
    config: {
      storage: {
        s3: {
          ...{ region: 'us-east-1', bucket, rootdirectory, regionendpoint: s3.endpoint },
          ...{ accesskey: s3.accessKey, secretkey: s3.secretKey },
        },
      },
      middleware: { storage: [{ name: 'cloudfront', options: cloudfront }] },
      http: { addr: '127.0.0.1:0', trustedproxies: ['127.0.0.1'] },
    },
  })
  const digest = await new RegistryClient(registry.url).pushBlob('a', bytes)
  await use({ s3, edge, blobUrl: `${registry.url}/v2/a/blobs/${digest}` })
  expect(await registry.stop()).toBe(0)
}

/** Where a client of this address gets the blob from; it must be as it was pushed. */
async function sourceFor(address: string, blobUrl: string): Promise<string> {
  const answer = await fetch(blobUrl, { headers: { 'x-forwarded-for': address } })
  expect(answer.status).toBe(200)
  expect(Buffer.from(await answer.arrayBuffer()).equals(bytes)).toBe(true)
  return new URL(answer.url).origin
}

test('a blob comes through CloudFront, which takes nothing that the registry has not signed', () =>
  atPlace({}, async ({ edge, blobUrl }) => {
    expect(await sourceFor('203.0.113.7', blobUrl)).toBe(edge.url)
    const { headers } = await fetch(blobUrl, { redirect: 'manual' })
    const location = new URL(headers.get('location')!)
    expect(location.pathname).toMatch(/^\/some\/root\/docker\/registry\/v2\/blobs\/sha256\//)
    location.searchParams.set('Expires', '9999999999')
    expect((await fetch(location)).status).toBe(403)
  }))

test('a client in a region of Amazon that was named gets it from the bucket', async () => {
  const prefixes = [
    { ip_prefix: '3.5.0.0/16', region: 'us-east-1' },
    { ip_prefix: '3.6.0.0/16', region: 'eu-west-1' },
  ]
  const list = JSON.stringify({ prefixes, ipv6_prefixes: [] })
  await using ranges = await startAnswering((_request, response) => response.end(list))
  const options = { ipfilteredby: 'awsregion', awsregion: 'us-east-1', iprangesurl: ranges.url }
  await atPlace(options, async ({ s3, edge, blobUrl }) => {
    // The list is fetched behind the back of the requests.
    await expect.poll(() => sourceFor('3.5.1.1', blobUrl)).toBe(s3.endpoint)
    expect(await sourceFor('3.6.1.1', blobUrl)).toBe(edge.url)
    expect(await sourceFor('203.0.113.7', blobUrl)).toBe(edge.url)
  })
})

test('a key that cannot be read keeps the registry from starting', async () => {
  const started = atPlace({ privatekey: '/nowhere/key.pem' }, async () => {})
  await expect(started).rejects.toThrow(
    'middleware.storage[0].options.privatekey: /nowhere/key.pem cannot be read: ENOENT',
  )
})
