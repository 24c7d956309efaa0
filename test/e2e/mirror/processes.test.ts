/** Mirrors as whole processes: killed at any moment, several over one storage, and with content larger than they
 *  may hold. */
import { createHash, randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { get as httpGet, type IncomingMessage, type ServerResponse } from 'node:http'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { digestOf } from '../../../src/core/digest.ts'
import { MediaType } from '../../../src/core/media-type.ts'
import { runEntrepot } from '../../support/command.ts'
import { describeWith } from '../../support/describe-with.ts'
import { startEntrepot } from '../../support/entrepot-process.ts'
import { descriptorOf, imageJson, payloadOf } from '../../support/manifest-json.ts'
import { RegistryClient } from '../../support/registry-client.ts'
import { S3Server, s3Tools } from '../../support/s3-server.ts'
import { ScriptedUpstream } from '../../support/scripted-upstream.ts'
import { filesBelow } from '../../support/storage-tree.ts'
import { type TemporaryFolder, temporaryFolder } from '../../support/temporary-folder.ts'

let folder: TemporaryFolder
let upstream: ScriptedUpstream
beforeEach(async () => {
  folder = await temporaryFolder()
  upstream = await ScriptedUpstream.start()
})
afterEach(async () => {
  await upstream.stop()
  await folder.remove()
})

const MIB = 1024 ** 2

function start(config: object = {}, options: object = {}) {
  return startEntrepot({
    ...{ dataFolder: join(folder.path, 'data'), configFolder: folder.path },
    config: { proxy: { remoteurl: upstream.url }, ...config },
    ...options,
  })
}

function addImage(layer: Buffer): string {
  const layers = [descriptorOf('', { digest: digestOf(layer), size: layer.length })]
  upstream.addBlob(layer)
  const digest = upstream.addManifest(Buffer.from(payloadOf(imageJson({ layers }))), MediaType.ociManifest)
  upstream.setTag('a', 'v1', digest)
  return digestOf(layer)
}

/** Sends a part of the blob and waits. */
function stall(digest: string, bytes: Buffer, part: number): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>()
  upstream.script = (request: IncomingMessage, response: ServerResponse) => {
    if (request.method !== 'GET' || !request.url?.endsWith(digest)) return false
    response.writeHead(200, { 'content-length': bytes.length })
    response.write(bytes.subarray(0, part), () => resolve())
    return true
  }
  return promise
}

describe('a mirror that is killed', () => {
  test.each([0, 0.01, 0.5, 0.99])(
    'when %f of a blob is there has none of it, and fetches it again',
    async (share) => {
      const layer = randomBytes(8 * MIB)
      const digest = addImage(layer)
      const killed = await start({ mirroring: { memory: '1MiB' } })
      const client = new RegistryClient(killed.url)
      await client.manifest('a', 'v1')
      const sent = stall(digest, layer, Math.ceil(layer.length * share))
      const pulling = client.blob('a', digest).catch(() => undefined)
      await sent
      await killed.kill()
      await pulling
      const files = await filesBelow(join(folder.path, 'data'))
      expect(files.filter((file) => file.includes(`_layers/sha256/${digest.slice(7)}`))).toEqual([])
      upstream.script = () => false
      await using again = await start()
      const leftFiles = await filesBelow(join(folder.path, 'data'))
      expect(leftFiles.filter((file) => file.includes('spool'))).toEqual([])
      expect((await new RegistryClient(again.url).blob('a', digest))?.equals(layer)).toBe(true)
    },
  )

  test('while it stores has all of the blob, or none of it', async () => {
    for (let round = 0; round < 3; round++) {
      const layer = randomBytes(2 * MIB)
      const digest = addImage(layer)
      const killed = await start()
      const client = new RegistryClient(killed.url)
      await client.manifest('a', 'v1')
      await client.blob('a', digest)
      await killed.kill()
      await using again = await start()
      expect((await new RegistryClient(again.url).blob('a', digest))?.equals(layer)).toBe(true)
      const hex = digest.slice(7)
      const path = `docker/registry/v2/blobs/sha256/${hex.slice(0, 2)}/${hex}/data`
      await expect.poll(() => readFile(join(folder.path, 'data', path)).catch(() => undefined)).toEqual(layer)
    }
  })
})

/** `MIRROR_BLOB_MIB=5120` by hand. */
test('a large blob takes constant memory, whoever reads slowly', { timeout: 15 * 60_000 }, async () => {
  const SIZE = Number(process.env.MIRROR_BLOB_MIB ?? 512) * MIB
  const block = randomBytes(MIB)
  const hash = createHash('sha256')
  for (let sent = 0; sent < SIZE; sent += MIB) hash.update(block)
  const digest = `sha256:${hash.digest('hex')}`
  upstream.script = (request, response) => {
    if (!request.url?.endsWith(digest)) return false
    response.writeHead(200, { 'content-length': SIZE })
    if (request.method === 'HEAD') response.end()
    else void send(response, block, SIZE / MIB)
    return true
  }
  await using mirror = await start()
  await new RegistryClient(mirror.url).hasBlob('a', digest)
  const before = await peakMiB(mirror.pid)
  const reads = Array.from({ length: 4 }, (_, index) =>
    readSlowly(`${mirror.url}/v2/a/blobs/${digest}`, index === 0),
  )
  expect(await Promise.all(reads)).toEqual(Array(4).fill(digest))
  expect(upstream.seen('GET', /blobs/)).toHaveLength(1)
  expect((await peakMiB(mirror.pid)) - before).toBeLessThan(200)
})

async function send(response: ServerResponse, block: Buffer, count: number): Promise<void> {
  for (let sent = 0; sent < count; sent++)
    await new Promise<void>((resolve) => response.write(block, () => resolve()))
  response.end()
}

/** The digest of what it reads. */
async function readSlowly(url: string, isSlow: boolean): Promise<string> {
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    httpGet(url, resolve).on('error', reject)
  })
  const hash = createHash('sha256')
  let chunks = 0
  for await (const chunk of answer) {
    hash.update(chunk)
    if (isSlow && ++chunks % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 10))
  }
  return `sha256:${hash.digest('hex')}`
}

/** Of its resident memory. */
async function peakMiB(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/VmHWM:\s+(\d+)/.exec(status)?.[1]) / 1024
}

test('workers and their mirrors serve the same', async () => {
  const layer = randomBytes(4 * MIB)
  const digest = addImage(layer)
  await using mirror = await start({ http: { addr: '127.0.0.1:0', workers: 2 } })
  const pull = async () => {
    const client = new RegistryClient(mirror.url)
    await client.manifest('a', 'v1')
    return client.blob('a', digest)
  }
  const pulled = await Promise.all(Array.from({ length: 10 }, pull))
  expect(pulled.every((bytes) => bytes?.equals(layer))).toBe(true)
  expect(upstream.seen('GET', /blobs/).length).toBeLessThanOrEqual(2)
})

describeWith([s3Tools.versitygw], 'over one bucket', () => {
  test('replicas fetch for their own clients, and what one has stored the other serves', async () => {
    await using store = await S3Server.start('versitygw')
    const options = { storage: { s3: store.settings, redirect: { disable: true } } }
    await using one = await start({}, options)
    await using other = await start({}, options)
    const layer = randomBytes(12 * MIB)
    const digest = addImage(layer)
    const clients = [one, other].map(({ url }) => new RegistryClient(url))
    for (const client of clients) await client.manifest('a', 'v1')
    const pulled = await Promise.all(
      clients.flatMap((client) => [1, 2, 3].map(() => client.blob('a', digest))),
    )
    expect(pulled.every((bytes) => bytes?.equals(layer))).toBe(true)
    expect(upstream.seen('GET', /blobs/).length).toBeLessThanOrEqual(2)
    await expect
      .poll(async () => {
        upstream.requests.length = 0
        const answer = await fetch(`${other.url}/v2/a/blobs/${digest}`)
        await answer.arrayBuffer()
        return answer.headers.get('cache-status')
      })
      .toBe('entrepot; hit')
    await upstream.stop()
    for (const client of clients) expect((await client.blob('a', digest))?.equals(layer)).toBe(true)
  })
})

test('what leaves a mirror, the collector deletes, and then it is fetched again', async () => {
  const layer = randomBytes(MIB)
  const digest = addImage(layer)
  const gc = { enabled: true, schedule: 'never', grace: '0s' }
  const filesystem = { rootdirectory: join(folder.path, 'data') }
  await using mirror = await start({
    storage: { filesystem, maintenance: { gc }, delete: { enabled: true } },
  })
  const client = new RegistryClient(mirror.url)
  const manifest = digestOf((await client.manifest('a', 'v1')) ?? Buffer.alloc(0))
  await client.blob('a', digest)
  const has = async (path: string) =>
    (await filesBelow(filesystem.rootdirectory)).some((file) => file.includes(path))
  const isThere = () => has(`blobs/sha256/${digest.slice(7, 9)}/${digest.slice(7)}/data`)
  // The client has the blob before it is stored, and its link comes after its bytes: what is deleted before that would be
  // linked again. The upload goes last.
  const isStored = async () =>
    (await has(`_layers/sha256/${digest.slice(7)}/link`)) && !(await has('/_uploads/'))
  await expect.poll(isStored).toBe(true)
  expect(await isThere()).toBe(true)
  await client.deleteManifest('a', manifest)
  await client.deleteBlob('a', digest)
  expect(await isThere()).toBe(true)
  const collected = await runEntrepot(['gc', join(folder.path, 'entrepot.yml')])
  expect(collected).toMatchObject({ code: 0 })
  expect(await isThere()).toBe(false)
  expect((await client.blob('a', digest))?.equals(layer)).toBe(true)
})
