/** `entrepot serve` on a folder that another server has too: clients are sent there for what is in it. */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { startEntrepot } from './support/entrepot-process.ts'
import { type FileServer, startFileServer } from './support/file-server.ts'
import { RegistryClient } from './support/registry-client.ts'
import type { ServerProcess } from './support/server-process.ts'
import { temporaryFolder } from './support/temporary-folder.ts'

const bytes = randomBytes(300_000)

interface Place {
  readonly registry: ServerProcess
  readonly files: FileServer
  readonly digest: string
  readonly blobUrl: string
}

/** Gives the test a registry with a blob in it, and the server that it sends clients to. */
async function atPlace(redirect: object, use: (place: Place) => Promise<void>): Promise<void> {
  await using folder = await temporaryFolder()
  const dataFolder = join(folder.path, 'data')
  await using files = await startFileServer(dataFolder, '/files')
  const config = {
    storage: { filesystem: { rootdirectory: dataFolder }, redirect },
    middleware: { storage: [{ name: 'redirect', options: { baseurl: `${files.url}/files/` } }] },
  }
  await using registry = await startEntrepot({ dataFolder, configFolder: folder.path, config })
  const digest = await new RegistryClient(registry.url).pushBlob('a', bytes)
  await use({ registry, files, digest, blobUrl: `${registry.url}/v2/a/blobs/${digest}` })
  expect(await registry.stop()).toBe(0)
}

async function bytesOf(answer: Response): Promise<Buffer> {
  return Buffer.from(await answer.arrayBuffer())
}

test('a blob comes from the other server, as it was pushed', () =>
  atPlace({}, async ({ files, digest, blobUrl }) => {
    const answer = await fetch(blobUrl)
    expect(answer.redirected).toBe(true)
    expect((await bytesOf(answer)).equals(bytes)).toBe(true)
    const hex = digest.slice('sha256:'.length)
    expect(files.asked).toEqual([`GET /files/docker/registry/v2/blobs/sha256/${hex.slice(0, 2)}/${hex}/data`])
  }))

test('HEAD, several ranges and the uploads of a push are none of its business', () =>
  atPlace({}, async ({ registry, files, blobUrl }) => {
    expect((await fetch(blobUrl, { method: 'HEAD' })).headers.get('content-length')).toBe('300000')
    const several = await fetch(blobUrl, { headers: { range: 'bytes=0-9,20-29' } })
    expect([several.status, several.redirected]).toEqual([206, false])
    await new RegistryClient(registry.url).pushBlob('b', randomBytes(1000))
    expect(files.asked).toEqual([])
  }))

test.each([
  ['nobody is sent there where redirects are disabled', { disable: true }],
  ['whose address is excepted is not sent there', { except: { addresses: ['127.0.0.0/8'] } }],
  ['whose program is excepted is not sent there', { except: { useragents: ['*'] } }],
])('%s', (_title, redirect) =>
  atPlace(redirect, async ({ files, blobUrl }) => {
    const answer = await fetch(blobUrl)
    expect(answer.redirected).toBe(false)
    expect((await bytesOf(answer)).equals(bytes)).toBe(true)
    expect(files.asked).toEqual([])
  }),
)
