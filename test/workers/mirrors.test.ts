/** One flight for the clients of all workers. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import type { ClientRequest, IncomingMessage, ServerResponse } from 'node:http'
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest'
import { MediaType } from '../../src/core/media-type.ts'
import { imageJson, payloadOf } from '../support/manifest-json.ts'
import { ScriptedUpstream } from '../support/scripted-upstream.ts'
import { answerTo, type KeptConnection, RegistryOfWorkers } from './support.ts'

const SIZE = 6_000_000
const PATIENT = { timeout: 20_000 }

let upstream: ScriptedUpstream
let registry: RegistryOfWorkers
beforeAll(async () => {
  upstream = await ScriptedUpstream.start()
  registry = await RegistryOfWorkers.start(2, { proxy: { remoteurl: upstream.url } })
})
afterAll(async () => {
  await registry[Symbol.asyncDispose]()
  await upstream.stop()
})

let blob: Buffer
let path: string
let one: KeptConnection
let other: KeptConnection
beforeEach(async () => {
  blob = randomBytes(SIZE)
  path = `/v2/a/blobs/${upstream.addBlob(blob)}`
  upstream.script = () => false
  upstream.requests.length = 0
  ;[one, other] = (await registry.connectToEach(2)) as [KeptConnection, KeptConnection]
})

/** The first GET of the blob gets a part of it, and waits for the rest. */
function stallAt(bytes: number): { begun: Promise<ServerResponse> } {
  const { promise, resolve } = Promise.withResolvers<ServerResponse>()
  let gets = 0
  upstream.script = (request, response) => {
    if (request.method !== 'GET' || !request.url?.includes('/blobs/') || gets++ > 0) return false
    if (bytes > 0)
      response.writeHead(200, { 'content-length': SIZE, etag: `"${path}"` }).write(blob.subarray(0, bytes))
    resolve(response)
    return true
  }
  return { begun: promise }
}

function get(connection: KeptConnection): ClientRequest {
  return connection.begin(`GET ${path}`).end()
}

async function firstBytesOf(request: ClientRequest): Promise<IncomingMessage> {
  const [answer] = (await once(request, 'response')) as [IncomingMessage]
  await once(answer, 'readable')
  return answer
}

async function bytesOf(answer: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of answer) chunks.push(chunk)
  return Buffer.concat(chunks)
}

const gets = () => upstream.seen('GET', /blobs/)

/** Every worker has it from storage. */
async function expectStored(connections: readonly KeptConnection[]): Promise<void> {
  for (const connection of connections) {
    const status = async () => (await connection.send(`HEAD ${path}`)).headers['cache-status']
    await expect.poll(status, PATIENT).toBe('entrepot; hit')
  }
}

test('a blob is fetched once, and each client gets its first bytes at once', async () => {
  const { begun } = stallAt(2_000_000)
  const requests = [get(one), get(other)]
  const answers = await Promise.all(requests.map(firstBytesOf))
  ;(await begun).end(blob.subarray(2_000_000))
  for (const answer of answers) expect((await bytesOf(answer)).equals(blob)).toBe(true)
  await expectStored([one, other])
  expect(gets()).toHaveLength(1)
})

test('a failure before the first byte is that of all clients', async () => {
  upstream.script = (request, response) => {
    if (request.method !== 'GET' || !request.url?.includes('/blobs/')) return false
    response.writeHead(404).end()
    return true
  }
  const answers = await Promise.all([one, other].map((connection) => answerTo(get(connection))))
  for (const { status } of answers) expect(status).toBe(404)
})

test('a manifest is fetched once', async () => {
  const bytes = Buffer.from(payloadOf(imageJson({ layers: [] })))
  const manifest = upstream.addManifest(bytes, MediaType.ociManifest)
  upstream.setTag('a', 'v1', manifest)
  const answers = await Promise.all(
    [one, other].map((connection) => connection.send('GET /v2/a/manifests/v1')),
  )
  for (const { status, body } of answers) expect([status, body.equals(bytes)]).toEqual([200, true])
  expect(upstream.seen('GET', /manifests/)).toHaveLength(1)
})

test('a worker that has ended is replaced where it was', async () => {
  const { begun } = stallAt(2_000_000)
  const first = await firstBytesOf(get(one))
  await begun
  const second = await firstBytesOf(get(other))
  process.kill(await registry.pidOf(one.worker), 'SIGKILL')
  await expect(bytesOf(first)).rejects.toThrow()
  expect((await bytesOf(second)).equals(blob)).toBe(true)
  const [, resumed, ...more] = gets()
  expect(resumed?.headers.range).toMatch(/^bytes=[1-9]\d*-$/)
  expect(more).toEqual([])
  await expectStored([other])
})

test('a worker that has ended before the first byte is replaced', async () => {
  const { begun } = stallAt(0)
  const first = get(one)
  const broken = new Promise((resolve) => first.on('error', resolve))
  await begun
  const second = get(other)
  process.kill(await registry.pidOf(one.worker), 'SIGKILL')
  await broken
  expect((await answerTo(second)).body.equals(blob)).toBe(true)
  expect(gets()).toHaveLength(2)
  await expectStored([other])
})
