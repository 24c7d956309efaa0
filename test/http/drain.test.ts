/** Stopping: what runs finishes, up to a time. */
import { expect, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { HttpRegistry } from '../support/http-registry.ts'
import type { RawConnection } from '../support/raw-connection.ts'

const bytes = Buffer.from('0123456789abcdef')
const pushed = `/v2/a/blobs/uploads/?digest=${digestOf(bytes)}`

/** A push that has sent half of its bytes. */
async function halfPush(registry: HttpRegistry): Promise<RawConnection> {
  const connection = await registry.connect()
  connection.writeHead(
    `POST ${pushed} HTTP/1.1`,
    'Host: localhost',
    'Content-Length: 16',
    'Expect: 100-continue',
  )
  await connection.until(/100 Continue/)
  connection.write(bytes.subarray(0, 8))
  return connection
}

test('a running upload is waited for, and its connection then closed', async () => {
  await using registry = await HttpRegistry.start()
  using connection = await halfPush(registry)
  let isStopped = false
  const stopped = registry.stop(20_000).then(() => {
    isStopped = true
  })
  await expect(registry.send('GET /v2/')).rejects.toThrow('ECONNREFUSED')
  expect(isStopped).toBe(false)
  connection.write(bytes.subarray(8))
  expect(await connection.until(/HTTP\/1\.1 201 [\s\S]*\r\n\r\n/)).toMatch(/^connection: close\r$/im)
  await stopped
})

test('a running download is waited for, and its connection then closed', async () => {
  await using registry = await HttpRegistry.start()
  const large = Buffer.alloc(32 * 1024 ** 2, 'bytes')
  using connection = await registry.connect()
  connection.writeHead(
    `GET /v2/a/blobs/${await registry.client.pushBlob('a', large)} HTTP/1.1`,
    'Host: localhost',
  )
  await connection.until(/\r\n\r\n/)
  connection.socket.pause()
  const stopped = registry.stop(60_000)
  await expect(registry.send('GET /v2/')).rejects.toThrow('ECONNREFUSED')
  connection.socket.resume()
  await Promise.all([connection.closed, stopped])
  const { received } = connection
  expect(received.length - received.indexOf('\r\n\r\n') - 4).toBe(large.length)
})

test('what takes longer than the time is cut off, and leaves what the client can go on with', async () => {
  await using registry = await HttpRegistry.start()
  const { location } = await registry.client.beginUpload('a')
  using connection = await registry.connect()
  connection.writeHead(
    `PATCH ${location} HTTP/1.1`,
    'Host: localhost',
    'Content-Length: 16',
    'Expect: 100-continue',
  )
  await connection.until(/100 Continue/)
  connection.write(bytes.subarray(0, 8))
  const start = performance.now()
  await registry.stop(300)
  expect(performance.now() - start).toBeGreaterThan(290)
  await connection.closed
  expect(connection.received).not.toContain('HTTP/1.1 2')
  await using next = await HttpRegistry.start({ driver: registry.driver })
  await expect(next.client.uploadState(location)).resolves.toMatchObject({ size: 8 })
})

test('a connection without a request does not hold it up', async () => {
  await using registry = await HttpRegistry.start()
  using idle = await registry.connect()
  idle.writeHead('GET /v2/ HTTP/1.1', 'Host: localhost')
  await idle.until(/\{\}$/)
  const start = performance.now()
  await registry.stop(20_000)
  expect(performance.now() - start).toBeLessThan(5000)
  await idle.closed
})

test('a connection that was opened and never used does not hold it up', async () => {
  await using registry = await HttpRegistry.start()
  using silent = await registry.connect()
  const start = performance.now()
  await registry.stop(20_000)
  expect(performance.now() - start).toBeLessThan(15_000)
  await silent.closed
})
