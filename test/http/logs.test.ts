/** What stands in the log of requests, and what must never stand there. */
import { describe, expect, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { StorageError } from '../../src/core/errors.ts'
import { MediaType } from '../../src/core/media-type.ts'
import { MemoryDriver } from '../../src/storage/memory.ts'
import { basic, GuardedRegistry } from '../support/access.ts'
import { FaultyDriver } from '../support/faulty-driver.ts'
import { HttpRegistry } from '../support/http-registry.ts'
import { descriptorOf, imageJson, payloadOf } from '../support/manifest-json.ts'
import { RecordedLog } from '../support/recorded-log.ts'

test('a request is one line, with its id', async () => {
  const recorded = await RecordedLog.start()
  await using registry = await HttpRegistry.start({ log: recorded.log })
  await registry.send('GET /v2/a/tags/list?n=3', {
    headers: { 'user-agent': 'test/1', 'x-request-id': 'my-id' },
  })
  expect(JSON.parse(await recorded.until('response completed'))).toMatchObject({
    level: 'info',
    'err.code': 'NAME_UNKNOWN',
    'http.request.host': expect.stringMatching(/^127\.0\.0\.1:\d+$/),
    'http.request.id': 'my-id',
    'http.request.method': 'GET',
    'http.request.remoteaddr': '127.0.0.1',
    'http.request.uri': '/v2/a/tags/list',
    'http.request.useragent': 'test/1',
    'http.response.contenttype': 'application/json',
    'http.response.duration': expect.stringMatching(/^\d+(\.\d+)?ms$/),
    'http.response.status': 404,
    'http.response.written': expect.any(Number),
  })
  expect(recorded.lines).toHaveLength(1)
})

test('a client cannot control the terminal in which the log is read', async () => {
  const recorded = await RecordedLog.start()
  await using registry = await HttpRegistry.start({ log: recorded.log })
  using connection = await registry.connect()
  connection.write(Buffer.from('GET /v2/ HTTP/1.1\r\nHost: a\r\nUser-Agent: b\x9b31m\r\n\r\n', 'latin1'))
  const line = await recorded.until('response completed')
  expect(JSON.parse(line)).toMatchObject({ 'http.request.useragent': 'b?31m', 'http.response.status': 200 })
})

test('a request whose client has left says so, and not what it would have got', async () => {
  const recorded = await RecordedLog.start()
  await using registry = await HttpRegistry.start({ log: recorded.log })
  using connection = await registry.connect()
  connection.writeHead(
    'PUT /v2/a/manifests/v1 HTTP/1.1',
    'Host: a',
    'Content-Length: 10',
    'Expect: 100-continue',
  )
  await connection.until(/100 Continue/)
  connection.socket.destroy()
  expect(JSON.parse(await recorded.until('response aborted'))).toMatchObject({
    'http.response.status': 499,
    'http.request.method': 'PUT',
  })
})

test('the log of requests can be switched off', async () => {
  const recorded = await RecordedLog.start()
  await using registry = await HttpRegistry.start({ log: recorded.log, settings: { accessLog: false } })
  await registry.send('GET /v2/')
  await registry.stop(1000)
  expect(recorded.lines).toEqual([])
})

test.each(['json', 'text'] as const)('no secret is logged, whatever goes wrong: %s', async (formatter) => {
  const recorded = await RecordedLog.start(formatter)
  const driver = new FaultyDriver(new MemoryDriver())
  await using registry = await HttpRegistry.start({ log: recorded.log, driver })
  const canary = 'c4nary'
  const headers = {
    authorization: `Bearer ${canary}`,
    'proxy-authorization': `Basic ${canary}`,
    cookie: `session=${canary}`,
    'x-forwarded-for': canary,
    referer: `https://example.test/?token=${canary}`,
  }
  const requests = [
    `GET /v2/?token=${canary}`,
    `GET /v2/a/manifests/x?token=${canary}`,
    `PUT /v2/a/manifests/x?token=${canary}`,
    `POST /v2/a/blobs/uploads/?_state=${canary}&digest=${canary}`,
    `POST /v2/a/blobs/uploads/?_state=${canary}`,
    `GET /v2/a/blobs/${digestOf(Buffer.from(''))}?${canary}`,
    `TRACE /nowhere?${canary}`,
  ]
  for (const code of [undefined, 'BACKEND_FAILED', 'NO_SPACE', 'TOO_MANY_OPEN_FILES'] as const) {
    driver.fault = ({ method, path }) =>
      code === undefined || method === 'close' ? undefined : new StorageError(code, { path })
    for (const request of requests) {
      const answer = await registry.send(request, { headers })
      if (answer.status >= 500) expect(answer.body.toString()).not.toContain(canary)
    }
  }
  using malformed = await registry.connect()
  malformed.write(`GET /v2/ HTTP/1.1\r\nAuthorization: ${canary}\r\nBad Header: ${canary}\r\n\r\n`)
  await malformed.closed
  await registry.stop(1000)
  expect(recorded.lines.length).toBeGreaterThanOrEqual(requests.length * 4)
  expect(recorded.lines.filter((line) => line.includes(canary))).toEqual([])
})

test('an error that nobody foresaw is in the log with its cause, under the id that the client has', async () => {
  const recorded = await RecordedLog.start()
  const driver = new FaultyDriver(new MemoryDriver(), ({ method, path }) =>
    method === 'get'
      ? new StorageError('BACKEND_FAILED', { path, cause: new Error('the disk is gone') })
      : undefined,
  )
  await using registry = await HttpRegistry.start({ log: recorded.log, driver })
  const answer = await registry.send('GET /v2/a/manifests/x')
  const line = await recorded.until('the disk is gone')
  expect(JSON.parse(line)).toMatchObject({
    level: 'error',
    'http.request.id': answer.headers['x-request-id'],
  })
})

describe('what was refused or failed', () => {
  const missing = digestOf(Buffer.from('missing'))
  const image = imageJson({ config: descriptorOf('missing'), layers: [] })

  for (const accessLog of [true, false]) {
    const level = { refused: accessLog ? 'info' : 'warning' }

    test(`says what its client was told, and to whom; access log: ${accessLog}`, async () => {
      const recorded = await RecordedLog.start()
      await using guarded = await GuardedRegistry.start({
        ...{ users: ['alice'], auth: {}, log: recorded.log, settings: { accessLog } },
      })
      const headers = { ...basic('alice'), 'content-type': MediaType.ociManifest }
      await guarded.registry.send('PUT /v2/a/manifests/v1', { headers, body: payloadOf(image) })
      expect(JSON.parse(await recorded.until('MANIFEST_BLOB_UNKNOWN'))).toMatchObject({
        level: level.refused,
        'auth.user.name': 'alice',
        'err.message': 'manifest references a manifest or blob unknown to registry',
        'err.detail': { digest: missing },
        'http.request.method': 'PUT',
        'http.request.remoteaddr': '127.0.0.1',
        'http.request.uri': '/v2/a/manifests/v1',
        'http.response.status': 400,
      })
      await guarded.send('GET /v2/', 'bob')
      const refused = JSON.parse(await recorded.until('"auth.user.claimed":"bob"'))
      expect(refused).toMatchObject({
        level: level.refused,
        'auth.user.name': '',
        'err.code': 'UNAUTHORIZED',
        'http.response.status': 401,
      })
    })

    test(`is one line without a stack when the storage is full or away; access log: ${accessLog}`, async () => {
      const recorded = await RecordedLog.start()
      const driver = new FaultyDriver(new MemoryDriver())
      await using registry = await HttpRegistry.start({ log: recorded.log, driver, settings: { accessLog } })
      for (const [fault, code, expected] of [
        ['NO_SPACE', 'INSUFFICIENT_STORAGE', 'warning'],
        ['BUSY', 'UNAVAILABLE', 'warning'],
        ['BACKEND_FAILED', 'UNKNOWN', 'error'],
      ] as const) {
        recorded.lines.length = 0
        driver.fault = ({ method, path }) =>
          method === 'close'
            ? undefined
            : new StorageError(fault, { path, cause: new Error('ENOSPC: the disk') })
        await registry.send('GET /v2/a/manifests/v1')
        const line = JSON.parse(await recorded.until(code))
        expect(line).toMatchObject({
          level: expected,
          'err.code': code,
          'err.reason': expect.stringContaining('ENOSPC: the disk'),
        })
        expect(recorded.lines).toHaveLength(1)
        expect(recorded.lines[0]).not.toContain('stack')
      }
    })
  }

  test('is bounded: by the number of lines, by that of errors, and by their size', async () => {
    const recorded = await RecordedLog.start()
    await using registry = await HttpRegistry.start({ log: recorded.log, settings: { accessLog: false } })
    const layers = Array.from({ length: 500 }, (_, index) => descriptorOf(`${index}`))
    const headers = { 'content-type': MediaType.ociManifest }
    const body = payloadOf(imageJson({ config: descriptorOf('missing'), layers }))
    await registry.send('PUT /v2/a/manifests/v1', { headers, body })
    const line = await recorded.until('MANIFEST_BLOB_UNKNOWN')
    expect(JSON.parse(line)).toMatchObject({ 'err.othersomitted': 490 })
    expect(line.length).toBeLessThan(8000)
    for (let count = 0; count < 150; count++) await registry.send('GET /v2/a/tags/list')
    expect(recorded.lines.length).toBeLessThan(150)
  })
})

test('what is cut off by draining says so', async () => {
  const recorded = await RecordedLog.start()
  await using registry = await HttpRegistry.start({ log: recorded.log })
  const { location } = await registry.client.beginUpload('a')
  using connection = await registry.connect()
  connection.writeHead(`PATCH ${location} HTTP/1.1`, 'Host: a', 'Content-Length: 16', 'Expect: 100-continue')
  await connection.until(/100 Continue/)
  await registry.stop(100)
  expect(JSON.parse(await recorded.until('because the registry stops'))).toMatchObject({
    'http.request.method': 'PATCH',
  })
})
