/** Requests that Node answers by itself unless somebody listens, and those whose client is gone before their answer: each
 *  gets a proper answer or none, and the process goes on. An exception that reached it would fail the run. */
import { once } from 'node:events'
import { constants } from 'node:http2'
import { connect as connectTls } from 'node:tls'
import { beforeAll, describe, expect, test } from 'vitest'
import { NO_CACHE } from '../../src/core/descriptor-cache.ts'
import { digestOf } from '../../src/core/digest.ts'
import type { Repository } from '../../src/core/registry.ts'
import type { RequestObserver } from '../../src/core/request-observer.ts'
import { BothSchemes, type Scheme } from '../support/both-schemes.ts'
import { HeldDriver } from '../support/held-driver.ts'
import { errorsOf, HttpRegistry, type HttpRegistryOptions } from '../support/http-registry.ts'
import { answerOf, Http2Client } from '../support/http2-client.ts'
import { emptySettings, PREFACE, requestFrame, resetFrame } from '../support/http2-frames.ts'
import { RawConnection } from '../support/raw-connection.ts'
import { RecordedLog } from '../support/recorded-log.ts'

const { NGHTTP2_NO_ERROR, NGHTTP2_CANCEL, NGHTTP2_INTERNAL_ERROR } = constants
const codes = { NGHTTP2_NO_ERROR, NGHTTP2_CANCEL, NGHTTP2_INTERNAL_ERROR }
const digest = digestOf(Buffer.from('x'))

let schemes: BothSchemes
beforeAll(async () => {
  schemes = await BothSchemes.create()
})

const start = (scheme: Scheme, options?: HttpRegistryOptions) => schemes.start(scheme, options)

const connectHttp2 = ({ url }: HttpRegistry) => Http2Client.connect(url, { ca: schemes.ca })

async function connectHttp1(registry: HttpRegistry): Promise<RawConnection> {
  if (registry.url.startsWith('http:')) return registry.connect()
  const socket = connectTls({ port: registry.port, ca: schemes.ca, ALPNProtocols: ['http/1.1'] })
  await once(socket, 'secureConnect')
  return new RawConnection(socket)
}

/** Counts what has begun and not ended. */
class Balance implements RequestObserver {
  begunCount = 0
  endedCount = 0

  begun(): void {
    this.begunCount++
  }

  ended(): void {
    this.endedCount++
  }
}

describe.each<Scheme>(['https', 'http'])('over %s and HTTP/2', (scheme) => {
  test('a tunnel is refused', async () => {
    await using registry = await start(scheme)
    using client = await connectHttp2(registry)
    const stream = client.session.request({ ':method': 'CONNECT', ':authority': 'other.example:443' })
    const answer = await answerOf(stream.end())
    expect(answer).toMatchObject({ status: 405, headers: { allow: '' } })
    expect(JSON.parse(String(answer.body))).toEqual({
      errors: [{ code: 'UNSUPPORTED', message: 'this server is not a proxy' }],
    })
    expect(await client.send('GET /v2/')).toMatchObject({ status: 200 })
  })

  test('an expectation that nobody knows is refused', async () => {
    await using registry = await start(scheme)
    using client = await connectHttp2(registry)
    for (const method of ['GET', 'HEAD', 'OPTIONS', 'POST']) {
      const answer = await client.send(`${method} /v2/`, { headers: { expect: 'the-unexpected' } })
      expect([method, answer.status]).toEqual([method, 417])
      if (method !== 'HEAD') expect(String(answer.body)).toContain('{"errors":[{"code":"UNSUPPORTED"')
    }
    expect(await client.send('GET /v2/')).toMatchObject({ status: 200 })
  })

  test('leave to send is given however it is asked for', async () => {
    await using registry = await start(scheme)
    using client = await connectHttp2(registry)
    const stream = client.open(`POST /v2/a/blobs/uploads/?digest=${digest}`, { expect: '100-Continue' })
    await once(stream, 'continue')
    stream.end('x')
    expect(await answerOf(stream)).toMatchObject({ status: 201 })
  })

  test.each(['constructor', '__proto__', 'toString', 'hasOwnProperty', 'get', 'X'])(
    'the method %s is one that is not served',
    async (method) => {
      await using registry = await start(scheme)
      using client = await connectHttp2(registry)
      for (const [path, allow] of [
        ['/v2/', 'GET, HEAD'],
        ['/v2/a/blobs/uploads/', 'POST'],
      ]) {
        expect(await client.send(`${method} ${path}`)).toMatchObject({ status: 405, headers: { allow } })
      }
    },
  )

  describe.each(Object.entries(codes))('a client that resets its stream with %s', (_name, code) => {
    test.each(['HEAD', 'GET', 'DELETE'])('before there is an answer to %s', async (method) => {
      const recorded = await RecordedLog.start()
      const driver = new HeldDriver()
      const observer = new Balance()
      await using registry = await start(scheme, { log: recorded.log, driver, cache: NO_CACHE, observer })
      using client = await connectHttp2(registry)
      const streams = [`/v2/a/blobs/${digest}`, '/v2/a/manifests/x', '/v2/a/manifests/y'].map((path) =>
        client.open(`${method} ${path}`),
      )
      await expect.poll(() => driver.waiting).toBe(streams.length)
      for (const stream of streams) stream.close(code)
      // Answered after the resets, which come before it on the connection.
      expect(await client.send('GET /v2/')).toMatchObject({ status: 200 })
      driver.release()
      await expect.poll(() => linesWith(recorded, 'response aborted')).toBe(streams.length)
      expect(linesWith(recorded, '"level":"error"')).toBe(0)
      expect(observer).toMatchObject({ begunCount: 4, endedCount: 4 })
    })

    test('while it sends a body', async () => {
      const recorded = await RecordedLog.start()
      const observer = new Balance()
      await using registry = await start(scheme, { log: recorded.log, observer })
      using client = await connectHttp2(registry)
      const location = (await client.send('POST /v2/a/blobs/uploads/')).headers.location
      const bodies = [
        client.open(`PATCH ${location}`),
        client.open('PUT /v2/a/manifests/x', { 'content-type': 'application/json' }),
        client.open('PUT /v2/a/manifests/UPPER/x'),
        client.open('POST /v2/a/tags/list'),
      ]
      for (const stream of bodies) stream.write(Buffer.alloc(100_000))
      expect(await client.send('GET /v2/')).toMatchObject({ status: 200 })
      for (const stream of bodies) stream.close(code)
      await expect.poll(() => observer.endedCount).toBe(6 - 1)
      expect(observer.begunCount).toBe(5)
      expect(linesWith(recorded, '"level":"error"')).toBe(0)
    })
  })
})

function linesWith({ lines }: RecordedLog, text: string): number {
  return lines.filter((line) => line.includes(text)).length
}

/** The frames that come with the preface are read before any of their requests is looked at: each is gone already. */
describe('in the clear, a request that is reset in the first packet', () => {
  const leave = { expect: '100-continue' }
  test.each([
    ['HEAD /v2/', {}],
    ['HEAD /nowhere', {}],
    ['HEAD /', {}],
    ['OPTIONS /v2/', {}],
    ['GET /v2/', {}],
    ['GET /v2/', { expect: 'x' }],
    ['POST /v2/a/blobs/uploads/', leave],
    [`POST /v2/a/blobs/uploads/?digest=${digest}`, leave],
    ['PUT /v2/a/manifests/x', leave],
    ['PUT /v2/a/manifests/x', {}],
  ])('%s %j', async (request, headers) => {
    const recorded = await RecordedLog.start()
    await using registry = await start('http', { log: recorded.log })
    using connection = await registry.connect()
    const end = !/^P/.test(request)
    const streams = Object.values(codes).map((code, index) => {
      const stream = 2 * index + 1
      return Buffer.concat([requestFrame(request, { stream, end, headers }), resetFrame(stream, code)])
    })
    connection.write(Buffer.concat([PREFACE, emptySettings, ...streams]))
    await expect.poll(() => linesWith(recorded, 'response aborted')).toBe(streams.length)
    expect(linesWith(recorded, '"level":"error"')).toBe(0)
    using client = await connectHttp2(registry)
    expect(await client.send('GET /v2/')).toMatchObject({ status: 200 })
  })
})

describe.each<Scheme>(['https', 'http'])('over %s and HTTP/1.1', (scheme) => {
  test.each([
    'other.example:443 HTTP/1.1',
    '/v2/ HTTP/1.1',
    '* HTTP/1.1',
    'other.example:443 HTTP/1.0',
    'other.example:443 HTTP/2.0',
  ])('a tunnel to %s is refused', async (target) => {
    await using registry = await start(scheme)
    using connection = await connectHttp1(registry)
    connection.writeHead(`CONNECT ${target}`, 'Host: other.example')
    await connection.closed
    expect(connection.received).toMatch(/^HTTP\/1\.1 405 Method Not Allowed\r\n/)
    expect(connection.received).toMatch(/^allow: \r$/im)
    expect(connection.received).toContain(
      '{"errors":[{"code":"UNSUPPORTED","message":"this server is not a proxy"}]}',
    )
    expect((await request(registry, 'GET /v2/ HTTP/1.1')).received).toMatch(/^HTTP\/1\.1 200 /)
  })

  test('a tunnel is refused whose request has a body, and whose client goes on sending', async () => {
    await using registry = await start(scheme)
    for (const length of ['Content-Length: 1000', 'Transfer-Encoding: chunked']) {
      using connection = await connectHttp1(registry)
      connection.writeHead('CONNECT other.example:443 HTTP/1.1', 'Host: other.example', length)
      connection.write('3e8\r\n')
      await connection.until(/^HTTP\/1\.1 405 /)
      connection.write(Buffer.alloc(100_000))
      await connection.closed
      using reset = await connectHttp1(registry)
      reset.writeHead('CONNECT other.example:443 HTTP/1.1', 'Host: other.example', length)
      reset.socket.destroy()
      await reset.closed
    }
    expect((await request(registry, 'GET /v2/ HTTP/1.1')).received).toMatch(/^HTTP\/1\.1 200 /)
  })

  test('a tunnel that is asked for behind an unanswered request gets no answer that could be taken for its own', async () => {
    const driver = new HeldDriver()
    await using registry = await start(scheme, { driver, cache: NO_CACHE })
    using connection = await connectHttp1(registry)
    connection.write(
      'GET /v2/a/manifests/x HTTP/1.1\r\nHost: a\r\n\r\nCONNECT other.example:443 HTTP/1.1\r\nHost: a\r\n\r\n',
    )
    await connection.closed
    expect(connection.received).toBe('')
    driver.release()
  })

  test('an expectation that nobody knows is refused', async () => {
    await using registry = await start(scheme)
    const { received } = await request(registry, 'GET /v2/ HTTP/1.1', 'Expect: the-unexpected')
    expect(received).toMatch(/^HTTP\/1\.1 417 Expectation Failed\r\n/)
    expect(received).toContain('{"errors":[{"code":"UNSUPPORTED"')
  })

  test('HTTP/1.0 has no expectations', async () => {
    await using registry = await start(scheme)
    const { received } = await request(registry, 'GET /v2/ HTTP/1.0', 'Expect: the-unexpected')
    expect(received).toMatch(/^HTTP\/1\.1 200 /)
    using connection = await connectHttp1(registry)
    connection.writeHead(
      `POST /v2/a/blobs/uploads/?digest=${digest} HTTP/1.0`,
      'Expect: 100-continue',
      'Content-Length: 1',
    )
    connection.write('x')
    await connection.closed
    expect(connection.received).toMatch(/^HTTP\/1\.1 201 /)
  })

  test('what is malformed behind a request ends the connection, and is not answered into its answer', async () => {
    await using registry = await start(scheme)
    const bytes = Buffer.alloc(32 * 1024 ** 2, 'x')
    const large = digestOf(bytes)
    if (scheme === 'http') await registry.client.pushBlob('a', bytes)
    else {
      using client = await connectHttp2(registry)
      const pushed = await client.send(`POST /v2/a/blobs/uploads/?digest=${large}`, { body: bytes })
      expect(pushed.status).toBe(201)
    }
    using connection = await connectHttp1(registry)
    connection.writeHead(`GET /v2/a/blobs/${large} HTTP/1.1`, 'Host: localhost')
    await connection.until(/\r\n\r\nx/)
    connection.write('this is no HTTP\r\n\r\n')
    await connection.closed
    const body = connection.received.slice(connection.received.indexOf('\r\n\r\n') + 4)
    expect(body.length).toBeLessThan(bytes.length)
    expect(/^x*$/.test(body)).toBe(true)
  })
})

/** The whole answer to a request on a connection of its own. */
async function request(registry: HttpRegistry, ...lines: string[]): Promise<RawConnection> {
  using connection = await connectHttp1(registry)
  connection.writeHead(...lines, 'Host: localhost', 'Connection: close')
  await connection.closed
  return connection
}

describe('an answer that cannot be sent', () => {
  test.each(['at once', 'later'])('is an error where another can, %s', async (when) => {
    const recorded = await RecordedLog.start()
    await using registry = await HttpRegistry.start({ log: recorded.log })
    const broken = { descriptor: { mediaType: 'two\nlines', digest, size: 1 }, payload: Buffer.from('x') }
    const manifests = {
      getIfCached: () => (when === 'at once' ? broken : undefined),
      get: async () => broken,
    }
    registry.registry.repository = () => ({ manifests }) as unknown as Repository
    const answer = await registry.send(`GET /v2/a/manifests/${digest}`)
    expect(answer.status).toBe(500)
    expect(errorsOf(answer)).toEqual([{ code: 'UNKNOWN', message: 'unknown error' }])
    await recorded.until('a request failed')
  })

  test('ends its connection where none can', async () => {
    const recorded = await RecordedLog.start()
    const extraHeaders = { 'x-broken': ['two\nlines'] }
    await using registry = await HttpRegistry.start({ log: recorded.log, settings: { extraHeaders } })
    for (const request of ['GET /v2/', 'GET /v2/a/tags/list', 'GET /nowhere']) {
      await expect(registry.send(request)).rejects.toThrow('socket hang up')
    }
    expect(linesWith(recorded, 'a response could not be sent')).toBe(3)
  })
})

test('who cannot take note of a request is in nobody else’s way', async () => {
  const recorded = await RecordedLog.start()
  const observer: RequestObserver = {
    begun() {},
    ended() {
      throw new Error('the observer is tired')
    },
  }
  await using registry = await HttpRegistry.start({ log: recorded.log, observer })
  expect((await registry.send('GET /v2/')).status).toBe(200)
  await recorded.until('the observer is tired')
  expect((await registry.send('GET /v2/')).status).toBe(200)
})

describe('an expectation in HTTP/1.0 is ignored', () => {
  test.each(['100-continue', 'the-unexpected'])('%s', async (expectation) => {
    await using registry = await HttpRegistry.start()
    for (const [request, status] of [
      [`POST /v2/a/blobs/uploads/?digest=${digest}`, 201],
      ['PUT /v2/a/manifests/x', 400],
      ['POST /v2/a/tags/list', 405],
      ['GET /v2/', 200],
    ] as const) {
      using connection = await registry.connect()
      connection.writeHead(`${request} HTTP/1.0`, `Expect: ${expectation}`, 'Content-Length: 1')
      connection.write('x')
      await connection.closed
      expect([request, connection.received.slice(0, 12)]).toEqual([request, `HTTP/1.1 ${status}`])
    }
  })
})
