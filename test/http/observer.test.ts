/** What an observer of requests is told. */
import { EventEmitter, once } from 'node:events'
import { Readable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { NO_CACHE } from '../../src/core/descriptor-cache.ts'
import { digestOf } from '../../src/core/digest.ts'
import type { RequestObserver, ServedRequest } from '../../src/core/request-observer.ts'
import { HttpRegistry } from '../support/http-registry.ts'
import { answerOf, Http2Client } from '../support/http2-client.ts'

/** What was told, in order. */
class Told implements RequestObserver {
  readonly begunResources: string[] = []
  readonly endings: (ServedRequest & { readonly resource: string })[] = []
  readonly #events = new EventEmitter()

  begun(resource: string): void {
    this.begunResources.push(resource)
    this.#events.emit('change')
  }

  ended(resource: string, request: ServedRequest): void {
    this.endings.push({ resource, ...request })
    this.#events.emit('change')
  }

  async until(isReached: () => boolean): Promise<void> {
    while (!isReached()) await once(this.#events, 'change')
  }

  /** The endings, once there are as many. */
  async ends(count: number) {
    await this.until(() => this.endings.length >= count)
    return this.endings
  }
}

const bytes = Buffer.alloc(100_000, 'a')
const digest = digestOf(bytes)

test('every request of a resource, begun and ended once', async () => {
  const told = new Told()
  await using registry = await HttpRegistry.start({ observer: told })
  await registry.send(`POST /v2/a/blobs/uploads/?digest=${digest}`, { body: bytes })
  const requests = [
    `HEAD /v2/a/blobs/${digest}`,
    `GET /v2/a/blobs/${digest}`,
    'GET /v2/a/manifests/none',
    'PUT /v2/a/manifests/none',
    'GET /v2/',
    'PROPFIND /v2/_catalog',
  ]
  for (const request of requests) await registry.send(request)
  const endings = await told.ends(requests.length + 1)
  expect(endings.map(({ resource, method, status }) => `${method} ${resource} ${status}`).sort()).toEqual([
    'GET api 200',
    'GET blob 200',
    'GET manifest 404',
    'HEAD blob 200',
    'POST uploads 201',
    'PROPFIND catalog 405',
    'PUT manifest 400',
  ])
  expect(told.begunResources).toEqual(['uploads', 'blob', 'blob', 'manifest', 'manifest', 'api', 'catalog'])
})

test('paths that name no resource are nothing', async () => {
  const told = new Told()
  await using registry = await HttpRegistry.start({ observer: told })
  for (const path of ['/', '/v2/a/nothing', '/v2/UPPER/tags/list']) await registry.send(`GET ${path}`)
  await registry.send('GET /v2/')
  await told.ends(1)
  expect(told.begunResources).toEqual(['api'])
})

test('the bytes of a body, in whichever way they come', async () => {
  const told = new Told()
  await using registry = await HttpRegistry.start({ observer: told })
  const path = `/v2/a/blobs/uploads/?digest=${digest}`
  await registry.send(`POST ${path}`, { body: bytes })
  await registry.send(`POST ${path}`, { body: Readable.from([bytes]) })
  await registry.send('GET /v2/', { headers: { 'x-long': 'x'.repeat(5000) } })
  const [withLength, chunked, without] = await told.ends(3)
  expect(withLength!.requestBytes).toBeGreaterThan(bytes.length + path.length)
  expect(withLength!.requestBytes).toBeLessThan(bytes.length + path.length + 300)
  // Less what came with the header.
  expect(chunked!.requestBytes).toBeGreaterThan(bytes.length - 64 * 1024)
  expect(chunked!.requestBytes).toBeLessThan(bytes.length + 1000)
  expect(without!.requestBytes).toBeGreaterThan(5000)
  expect(without!.requestBytes).toBeLessThan(5300)
})

test('the bytes of a body that shares its connection with others', async () => {
  const told = new Told()
  await using registry = await HttpRegistry.start({ observer: told, settings: { h2c: true } })
  using client = await Http2Client.connect(registry.url)
  const streams = Array.from({ length: 3 }, () => client.open(`POST /v2/a/blobs/uploads/?digest=${digest}`))
  for (const stream of streams) stream.end(bytes)
  expect((await Promise.all(streams.map(answerOf))).map(({ status }) => status)).toEqual([201, 201, 201])
  for (const { requestBytes } of await told.ends(3)) {
    expect(requestBytes).toBeGreaterThan(bytes.length)
    expect(requestBytes).toBeLessThan(bytes.length + 1000)
  }
})

test('the bytes of an answer, without its header', async () => {
  const told = new Told()
  await using registry = await HttpRegistry.start({ observer: told })
  await registry.client.pushBlob('a', bytes)
  const before = (await told.ends(2)).length
  const ask = (method: string, headers = {}) => registry.send(`${method} /v2/a/blobs/${digest}`, { headers })
  await ask('GET')
  await ask('HEAD')
  await ask('GET', { range: 'bytes=10-19' })
  await ask('GET', { 'if-none-match': `"${digest}"` })
  const { body } = await registry.send('GET /v2/a/manifests/none')
  const endings = (await told.ends(before + 5)).slice(before)
  expect(endings.map(({ status, responseBytes }) => [status, responseBytes])).toEqual([
    [200, bytes.length],
    [200, 0],
    [206, 10],
    [304, 0],
    [404, body.length],
  ])
})

test('the bytes that a client took before it left', async () => {
  const told = new Told()
  await using registry = await HttpRegistry.start({ observer: told, cache: NO_CACHE })
  const large = Buffer.alloc(64 * 1024 * 1024, 'b')
  await registry.client.pushBlob('a', large)
  const before = (await told.ends(2)).length
  using connection = await registry.connect()
  connection.writeHead(`GET /v2/a/blobs/${digestOf(large)} HTTP/1.1`, 'Host: localhost')
  await connection.until(/\r\n\r\nb/)
  connection.socket.destroy()
  const ending = (await told.ends(before + 1))[before]!
  expect([ending.resource, ending.status]).toEqual(['blob', 499])
  expect(ending.responseBytes).toBeGreaterThan(0)
  expect(ending.responseBytes).toBeLessThan(large.length)
})

test('a client that left before there was an answer', async () => {
  const told = new Told()
  await using registry = await HttpRegistry.start({ observer: told })
  using connection = await registry.connect()
  connection.writeHead(
    `POST /v2/a/blobs/uploads/?digest=${digest} HTTP/1.1`,
    'Host: localhost',
    'Content-Length: 100000',
  )
  await told.until(() => told.begunResources.length === 1)
  connection.socket.destroy()
  const [ending] = await told.ends(1)
  expect([ending!.resource, ending!.status, ending!.responseBytes]).toEqual(['uploads', 499, 0])
})

test('the time until the answer has gone out', async () => {
  const told = new Told()
  await using registry = await HttpRegistry.start({ observer: told })
  using connection = await registry.connect()
  const startedAt = performance.now()
  connection.writeHead(
    `POST /v2/a/blobs/uploads/?digest=${digestOf(Buffer.from('late'))} HTTP/1.1`,
    'Host: localhost',
    'Content-Length: 4',
  )
  await told.until(() => told.begunResources.length === 1)
  await delay(100)
  connection.write('late')
  const [ending] = await told.ends(1)
  const milliseconds = ending!.seconds * 1000
  expect(milliseconds).toBeGreaterThan(95)
  expect(milliseconds).toBeLessThanOrEqual(performance.now() - startedAt)
})

test('requests that wait behind each other on one connection', async () => {
  const told = new Told()
  await using registry = await HttpRegistry.start({ observer: told })
  using connection = await registry.connect()
  for (let count = 0; count < 5; count++) connection.writeHead('GET /v2/ HTTP/1.1', 'Host: localhost')
  expect(await told.ends(5)).toHaveLength(5)
  expect(told.begunResources).toHaveLength(5)
})
