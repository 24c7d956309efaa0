/** A client may take as long as it likes while it moves; one that does not is let go. */
import { setInterval } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { MediaType } from '../../src/core/media-type.ts'
import type { StorageDriver } from '../../src/core/storage-driver.ts'
import type { HttpLimits } from '../../src/http/settings.ts'
import { MemoryDriver } from '../../src/storage/memory.ts'
import { FaultyDriver } from '../support/faulty-driver.ts'
import { HttpRegistry } from '../support/http-registry.ts'
import { indexJson } from '../support/manifest-json.ts'
import { RecordedLog } from '../support/recorded-log.ts'

const MIB = 1024 * 1024
const strict: Partial<HttpLimits> = { headerTimeoutSeconds: 0.4, minBytesPerSecond: 1024, stallSeconds: 0.4 }

async function beginUpload(registry: HttpRegistry): Promise<string> {
  return (await registry.client.beginUpload('a')).location
}

/** Pushes a large blob through a registry that is patient, as the client runs in the same process.
 *  @returns its digest */
async function pushLarge(driver: StorageDriver, size: number): Promise<string> {
  await using registry = await HttpRegistry.start({ driver })
  return await registry.client.pushBlob('a', Buffer.alloc(size, 'x'))
}

/** A connection on which an upload of `size` bytes is awaited. */
async function connectToUpload(
  registry: HttpRegistry,
  { location, size }: { location: string; size: number },
) {
  const connection = await registry.connect()
  connection.writeHead(
    `PATCH ${location} HTTP/1.1`,
    'Host: localhost',
    `Content-Length: ${size}`,
    'Expect: 100-continue',
  )
  await connection.until(/100 Continue/)
  return connection
}

test('an upload that stalls is ended, and goes on later from where it was', async () => {
  await using registry = await HttpRegistry.start({ limits: strict })
  const location = await beginUpload(registry)
  using connection = await connectToUpload(registry, { location, size: 16 })
  connection.write('01234567')
  await connection.closed
  await expect.poll(() => registry.client.uploadState(location)).toMatchObject({ size: 8 })
  const bytes = Buffer.from('0123456789abcdef')
  await expect
    .poll(async () => (await registry.send(`PATCH ${location}`, { body: bytes.subarray(8) })).status)
    .toBe(202)
  const finished = await registry.send(`PUT ${location}?digest=${digestOf(bytes)}`)
  expect(finished.status).toBe(201)
})

test('an upload that trickles is ended, though something always moves', async () => {
  await using registry = await HttpRegistry.start({ limits: strict })
  const location = await beginUpload(registry)
  using connection = await connectToUpload(registry, { location, size: 1000 })
  for await (const _ of setInterval(20)) {
    if (connection.socket.destroyed) break
    connection.write('.')
  }
  await connection.closed
  expect(connection.received).not.toContain('HTTP/1.1 202')
})

test('an upload that is slow but steady is taken, long after the grace', async () => {
  await using registry = await HttpRegistry.start({ limits: { ...strict, stallSeconds: 1 } })
  const location = await beginUpload(registry)
  const piece = Buffer.alloc(200, '.')
  const pieces = 60
  using connection = await connectToUpload(registry, { location, size: pieces * piece.length })
  let sent = 0
  for await (const _ of setInterval(50)) {
    connection.write(piece)
    if (++sent === pieces) break
  }
  await connection.until(/HTTP\/1\.1 202 /)
  await expect(registry.client.uploadState(location)).resolves.toMatchObject({ size: pieces * piece.length })
})

test('a download that nobody reads is ended', async () => {
  const recorded = await RecordedLog.start()
  const driver = new MemoryDriver()
  const digest = await pushLarge(driver, 32 * MIB)
  await using registry = await HttpRegistry.start({ limits: strict, log: recorded.log, driver })
  using connection = await registry.connect()
  connection.writeHead(`GET /v2/a/blobs/${digest} HTTP/1.1`, 'Host: localhost')
  await connection.until(/HTTP\/1\.1 200 /)
  connection.socket.pause()
  await recorded.until('response aborted')
  connection.socket.resume()
  await connection.closed
  expect(connection.received.length).toBeLessThan(32 * MIB)
})

test('a download that is slow but steady is served, long after the grace', async () => {
  const limits = { ...strict, minBytesPerSecond: MIB, stallSeconds: 1 }
  const size = 24 * MIB
  const driver = new MemoryDriver()
  const digest = await pushLarge(driver, size)
  await using registry = await HttpRegistry.start({ limits, driver })
  using connection = await registry.connect()
  connection.socket.pause()
  connection.writeHead(`GET /v2/a/blobs/${digest} HTTP/1.1`, 'Host: localhost', 'Connection: close')
  for await (const _ of setInterval(10)) {
    connection.socket.read(128 * 1024)
    if (connection.socket.destroyed || connection.socket.readableEnded) break
  }
  expect(connection.received.length).toBeGreaterThan(size)
})

test('a request whose header does not come to an end is refused', async () => {
  await using registry = await HttpRegistry.start({ limits: strict })
  using connection = await registry.connect()
  connection.write('GET /v2/ HTTP/1.1\r\nHost: loc')
  await connection.closed
  expect(connection.received).toMatch(/^HTTP\/1\.1 408 [\s\S]*"errors"/)
})

test('many stalled clients do not keep others waiting', async () => {
  await using registry = await HttpRegistry.start({ limits: { ...strict, stallSeconds: 2 } })
  const bytes = Buffer.alloc(100_000, 'x')
  const digest = await registry.client.pushBlob('a', bytes)
  const pulls = async () => {
    const start = performance.now()
    for (let pull = 0; pull < 50; pull++) {
      expect((await registry.send(`GET /v2/a/blobs/${digest}`)).body).toHaveLength(bytes.length)
    }
    return performance.now() - start
  }
  await pulls()
  const alone = await pulls()
  const stalled = await Promise.all(
    Array.from({ length: 200 }, async () => {
      const location = await beginUpload(registry)
      return connectToUpload(registry, { location, size: 1000 })
    }),
  )
  expect(await pulls()).toBeLessThan(alone * 2 + 500)
  await Promise.all(stalled.map((connection) => connection.closed))
  for (const connection of stalled) connection[Symbol.dispose]()
})

test('a client that keeps its connection open between requests is left alone', async () => {
  await using registry = await HttpRegistry.start({ limits: { ...strict, keepAliveSeconds: 60 } })
  using connection = await registry.connect()
  const request = ['GET /v2/ HTTP/1.1', 'Host: localhost']
  connection.writeHead(...request)
  await connection.until(/\{\}$/)
  for await (const _ of setInterval(1200)) break
  connection.writeHead(...request)
  await connection.until(/\{\}[\s\S]*\{\}$/)
})

test('a connection is not kept for longer than between requests it may be', async () => {
  await using registry = await HttpRegistry.start({ limits: { ...strict, keepAliveSeconds: 0.4 } })
  using connection = await registry.connect()
  connection.writeHead('GET /v2/ HTTP/1.1', 'Host: localhost')
  await connection.until(/\{\}$/)
  await connection.closed
})

test('a connection on which nothing is ever asked is ended', async () => {
  await using registry = await HttpRegistry.start({ limits: strict })
  using connection = await registry.connect()
  await connection.closed
})

test('a manifest that nobody reads is no reason to keep a connection', async () => {
  const recorded = await RecordedLog.start()
  await using registry = await HttpRegistry.start({ limits: strict, log: recorded.log })
  const index = Buffer.from(
    JSON.stringify(indexJson({ manifests: [], annotations: { x: 'x'.repeat(4_000_000) } })),
  )
  const headers = { 'content-type': MediaType.ociIndex }
  expect((await registry.send('PUT /v2/a/manifests/x', { body: index, headers })).status).toBe(201)
  using connection = await registry.connect()
  connection.socket.pause()
  for (let n = 0; n < 10; n++) connection.writeHead('GET /v2/a/manifests/x HTTP/1.1', 'Host: localhost')
  await recorded.until('response aborted')
  connection.socket.resume()
  await connection.closed
})

test('a client that asks again and again and never reads is served once at a time, and let go', async () => {
  const recorded = await RecordedLog.start()
  const stored = new MemoryDriver()
  const digest = await pushLarge(stored, 32 * MIB)
  const driver = new FaultyDriver(stored)
  await using registry = await HttpRegistry.start({ limits: strict, log: recorded.log, driver })
  using connection = await registry.connect()
  connection.socket.pause()
  for (let n = 0; n < 10; n++) connection.writeHead(`GET /v2/a/blobs/${digest} HTTP/1.1`, 'Host: localhost')
  await recorded.until('response aborted')
  expect(driver.count('read')).toBe(1)
  connection.socket.resume()
  await connection.closed
  await registry.stop(20_000)
})

test('requests that come before the answers to earlier ones are served in their order', async () => {
  await using registry = await HttpRegistry.start()
  const push = (body: string) => [
    `POST /v2/a/blobs/uploads/?digest=${digestOf(Buffer.from(body))} HTTP/1.1`,
    'Host: localhost',
    `Content-Length: ${body.length}`,
  ]
  const pull = [`GET /v2/a/blobs/${digestOf(Buffer.from('two'))} HTTP/1.1`, 'Host: localhost']
  using connection = await registry.connect()
  connection.writeHead(...push('one'))
  connection.write('one')
  connection.writeHead(...push('two'))
  connection.write('two')
  connection.writeHead(...pull, 'Connection: close')
  await connection.closed
  expect(connection.received.match(/^HTTP.*$/gm)).toEqual([
    'HTTP/1.1 201 Created',
    'HTTP/1.1 201 Created',
    'HTTP/1.1 200 OK',
  ])
  expect(connection.received.endsWith('two')).toBe(true)
})
