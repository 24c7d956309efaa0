/** What stands in the log of requests, and what must never stand there. */
import { expect, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { StorageError } from '../../src/core/errors.ts'
import { MemoryDriver } from '../../src/storage/memory.ts'
import { FaultyDriver } from '../support/faulty-driver.ts'
import { HttpRegistry } from '../support/http-registry.ts'
import { RecordedLog } from '../support/recorded-log.ts'

test('a request is one line, with its id', async () => {
  const recorded = await RecordedLog.start()
  await using registry = await HttpRegistry.start({ log: recorded.log })
  await registry.send('GET /v2/a/tags/list?n=3', {
    headers: { 'user-agent': 'test/1', 'x-request-id': 'my-id' },
  })
  expect(JSON.parse(await recorded.until('response completed'))).toMatchObject({
    requestId: 'my-id',
    remoteAddress: '127.0.0.1',
    method: 'GET',
    path: '/v2/a/tags/list',
    status: 404,
    bytes: expect.any(Number),
    milliseconds: expect.any(Number),
    userAgent: 'test/1',
  })
  expect(recorded.lines).toHaveLength(1)
})

test('a client cannot control the terminal in which the log is read', async () => {
  const recorded = await RecordedLog.start()
  await using registry = await HttpRegistry.start({ log: recorded.log })
  using connection = await registry.connect()
  connection.write(Buffer.from('GET /v2/ HTTP/1.1\r\nHost: a\r\nUser-Agent: b\x9b31m\r\n\r\n', 'latin1'))
  const line = await recorded.until('response completed')
  expect(JSON.parse(line)).toMatchObject({ userAgent: 'b?31m', status: 200 })
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
  expect(JSON.parse(await recorded.until('response broken off'))).toMatchObject({
    status: 499,
    method: 'PUT',
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
  expect(recorded.lines.length).toBeGreaterThan(requests.length * 4)
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
  expect(JSON.parse(line)).toMatchObject({ level: 50, requestId: answer.headers['x-request-id'] })
})
