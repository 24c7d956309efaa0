/** Large bodies of HTTP/1.1, which are read from the connection and not by Node's parser, unless it is encrypted. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { connect as connectTls } from 'node:tls'
import { beforeAll, describe, expect, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { directBodyOf } from '../../src/http/connection/direct/direct-body.ts'
import { DirectRequests } from '../../src/http/connection/direct/direct-requests.ts'
import { Ingest } from '../../src/lib/ingest/ingest.ts'
import { BothSchemes } from '../support/both-schemes.ts'
import { type HttpRegistry, type HttpRegistryOptions, quiet } from '../support/http-registry.ts'
import { RawConnection } from '../support/raw-connection.ts'

const MIB = 1024 * 1024
const large = randomBytes(MIB)
const digest = digestOf(large)

let schemes: BothSchemes
beforeAll(async () => {
  schemes = await BothSchemes.create()
})

async function connect(registry: HttpRegistry): Promise<RawConnection> {
  if (registry.url.startsWith('http:')) return registry.connect()
  const socket = connectTls({ port: registry.port, ca: schemes.ca, ALPNProtocols: ['http/1.1'] })
  await once(socket, 'secureConnect')
  return new RawConnection(socket)
}

/** Frames bytes as chunks of different sizes. */
function chunked(bytes: Buffer, { extension = '', trailer = '' } = {}): Buffer {
  const frames: Buffer[] = []
  for (let at = 0, size = 1; at < bytes.length; at += size, size = (size * 7 + 13) % 70_000) {
    const chunk = bytes.subarray(at, at + size)
    frames.push(Buffer.from(`${chunk.length.toString(16)}${extension}\r\n`), chunk, Buffer.from('\r\n'))
  }
  return Buffer.concat([...frames, Buffer.from(`0\r\n${trailer}\r\n`)])
}

/** Sends the beginning of a push. */
function sendHalf(connection: RawConnection): void {
  connection.writeHead(...pushHead(digest, `Content-Length: ${large.length}`))
  connection.write(large.subarray(0, 500_000))
}

/** An observer that tells when a request has begun. */
function watched() {
  const { promise: begun, resolve } = Promise.withResolvers<void>()
  return { begun, observer: { begun: () => resolve(), ended() {} } }
}

/** The number of responses with a status. */
const count = (received: string, status: number) =>
  received.match(new RegExp(`HTTP/1\\.1 ${status} `, 'g'))?.length ?? 0

async function untilCount(connection: RawConnection, status: number, times: number): Promise<void> {
  await connection.until(new RegExp(`(HTTP/1\\.1 ${status} [\\s\\S]*?\\r\\n\\r\\n[\\s\\S]*){${times}}`))
}

const pushHead = (of: string, ...more: string[]) => [
  `POST /v2/a/blobs/uploads/?digest=${of} HTTP/1.1`,
  'Host: localhost',
  ...more,
]

/** The stored bytes themselves, because the registry has computed the digest before it wrote them. */
async function expectStored({ driver }: HttpRegistry, content: Buffer): Promise<void> {
  const hex = digestOf(content).slice('sha256:'.length)
  const stored = await driver.get(`/docker/registry/v2/blobs/sha256/${hex.slice(0, 2)}/${hex}/data`)
  expect(content.equals(stored)).toBe(true)
}

/** Answers on a connection of their own. */
async function ask(registry: HttpRegistry, request: string): Promise<string> {
  using connection = await connect(registry)
  connection.writeHead(`${request} HTTP/1.1`, 'Host: localhost', 'Content-Length: 0', 'Connection: close')
  await connection.closed
  return connection.received
}

async function beginUpload(registry: HttpRegistry): Promise<string> {
  const [, location = ''] =
    /^location: (.+)\r$/im.exec(await ask(registry, 'POST /v2/a/blobs/uploads/')) ?? []
  return location
}

/** How many bytes of an upload the registry has. */
async function sizeOf(registry: HttpRegistry, location: string): Promise<number> {
  const [, end] = /^range: 0-(\d+)\r$/im.exec(await ask(registry, `GET ${location}`)) ?? []
  return end === '0' ? 0 : Number(end) + 1
}

describe.each([
  { name: 'over http', scheme: 'http' },
  { name: 'over http, hashed in a thread', scheme: 'http', isHashed: true },
  { name: 'over https', scheme: 'https' },
] as const)('$name', ({ scheme, ...kind }) => {
  const start = (options: HttpRegistryOptions = {}) =>
    schemes.start(scheme, { ...options, ...('isHashed' in kind && { ingest: new Ingest(() => {}) }) })

  test('many bodies on one connection, with other requests between them', async () => {
    await using registry = await start()
    using connection = await connect(registry)
    for (let round = 1; round <= 4; round++) {
      const content = randomBytes(round * 300_000)
      connection.writeHead(...pushHead(digestOf(content), `Content-Length: ${content.length}`))
      connection.write(content)
      await untilCount(connection, 201, 2 * round - 1)
      connection.writeHead('GET /v2/ HTTP/1.1', 'Host: localhost')
      await untilCount(connection, 200, round)
      const other = randomBytes(round * 1000)
      connection.writeHead(...pushHead(digestOf(other), 'Transfer-Encoding: chunked'))
      connection.write(chunked(other))
      await untilCount(connection, 201, 2 * round)
      await expectStored(registry, content)
      await expectStored(registry, other)
    }
  })

  test('requests that are sent at once are answered in their order', async () => {
    await using registry = await start()
    using connection = await connect(registry)
    const head = (...lines: string[]) => Buffer.from(`${lines.join('\r\n')}\r\n\r\n`)
    connection.write(
      Buffer.concat([
        head('GET /v2/ HTTP/1.1', 'Host: localhost', 'X-Request-Id: 1'),
        head(...pushHead(digest, `Content-Length: ${large.length}`, 'X-Request-Id: 2')),
        large,
        head('GET /v2/_catalog HTTP/1.1', 'Host: localhost', 'X-Request-Id: 3'),
        head(...pushHead(digest, 'Transfer-Encoding: chunked', 'X-Request-Id: 4')),
        chunked(large),
        head('GET /v2/ HTTP/1.1', 'Host: localhost', 'X-Request-Id: 5'),
        head('GET /v2/ HTTP/1.1', 'Host: localhost', 'X-Request-Id: 6', 'Connection: close'),
      ]),
    )
    await connection.closed
    expect([...connection.received.matchAll(/x-request-id: (\d)/gi)].map(([, id]) => id)).toEqual([
      '1',
      '2',
      '3',
      '4',
      '5',
      '6',
    ])
    expect([count(connection.received, 200), count(connection.received, 201)]).toEqual([4, 2])
    await expectStored(registry, large)
  })

  test('extensions of chunks and trailers are read over', async () => {
    await using registry = await start()
    using connection = await connect(registry)
    connection.writeHead(...pushHead(digest, 'Transfer-Encoding: Chunked', 'Connection: close'))
    connection.write(chunked(large, { extension: ';a=b', trailer: 'Digest: none\r\nHost: other\r\n' }))
    await connection.closed
    expect(connection.received).toMatch(/^HTTP\/1\.1 201 [\s\S]*^connection: close\r$/im)
    await expectStored(registry, large)
  })

  test('what is not framed as a body ends the connection, and nothing behind it is a request', async () => {
    await using registry = await start()
    using connection = await connect(registry)
    connection.writeHead(...pushHead(digest, 'Transfer-Encoding: chunked'))
    connection.write('5\r\nfirst-and-more\r\n0\r\n\r\nGET /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await connection.closed
    expect(connection.received).toMatch(/^HTTP\/1\.1 400 [\s\S]*the request is malformed/)
    expect(count(connection.received, 200)).toBe(0)
    expect(await ask(registry, 'GET /v2/_catalog')).toContain('{"repositories":[]}')
  })

  test('two framings at once are refused', async () => {
    await using registry = await start()
    using connection = await connect(registry)
    connection.writeHead(...pushHead(digest, `Content-Length: ${large.length}`, 'Transfer-Encoding: chunked'))
    connection.write(chunked(large))
    await connection.closed
    expect(connection.received).toMatch(/^HTTP\/1\.1 400 /)
  })

  test('another protocol is not offered', async () => {
    await using registry = await start()
    using connection = await connect(registry)
    for (const protocol of ['websocket', 'h2c']) {
      connection.writeHead(
        'GET /v2/ HTTP/1.1',
        'Host: localhost',
        'Connection: upgrade',
        `Upgrade: ${protocol}`,
      )
      await untilCount(connection, 200, protocol === 'websocket' ? 1 : 2)
    }
  })

  test('a client that leaves can go on with what has arrived', async () => {
    await using registry = await start()
    const location = await beginUpload(registry)
    {
      using connection = await connect(registry)
      connection.writeHead(`PATCH ${location} HTTP/1.1`, 'Host: localhost', `Content-Length: ${large.length}`)
      connection.socket.end(large.subarray(0, 400_000))
      await connection.closed
    }
    await expect.poll(() => sizeOf(registry, location)).toBe(400_000)
    // Until the first request has given the upload up.
    await expect.poll(() => ask(registry, `PATCH ${location}`)).toMatch(/^HTTP\/1\.1 202 /)
    const size = 400_000
    using later = await connect(registry)
    later.writeHead(
      `PUT ${location}?digest=${digest} HTTP/1.1`,
      'Host: localhost',
      `Content-Length: ${large.length - size}`,
    )
    later.write(large.subarray(size))
    await untilCount(later, 201, 1)
    await expectStored(registry, large)
  })

  test('a refused body is read over, and the connection goes on', async () => {
    await using registry = await start()
    using connection = await connect(registry)
    connection.writeHead(
      'POST /v2/UPPER/blobs/uploads/ HTTP/1.1',
      'Host: localhost',
      `Content-Length: ${MIB}`,
    )
    await untilCount(connection, 400, 1)
    connection.write(large)
    connection.writeHead('GET /v2/ HTTP/1.1', 'Host: localhost')
    await untilCount(connection, 200, 1)
  })

  test('a refused body that is too large to be read over ends the connection', async () => {
    await using registry = await start()
    using connection = await connect(registry)
    connection.writeHead(
      'POST /v2/UPPER/blobs/uploads/ HTTP/1.1',
      'Host: localhost',
      `Content-Length: ${100 * MIB}`,
    )
    await untilCount(connection, 400, 1)
    for (let sent = 0; sent < 20 && !connection.socket.destroyed; sent++) {
      if (!connection.socket.write(large))
        await Promise.race([once(connection.socket, 'drain').catch(() => {}), connection.closed])
    }
    await connection.closed
  })

  test('an idle connection is closed after a while, and when the registry stops', async () => {
    await using registry = await start({ limits: { keepAliveSeconds: 0.2 } })
    const push = async () => {
      const connection = await connect(registry)
      connection.writeHead(...pushHead(digest, 'Transfer-Encoding: chunked'))
      connection.write(chunked(large))
      await untilCount(connection, 201, 1)
      return connection
    }
    using silent = await push()
    await silent.closed
    using patient = await push()
    await registry.stop(60_000)
    await patient.closed
  })

  test('a push that is under way when the registry stops is finished, and its connection closed', async () => {
    const { begun, observer } = watched()
    await using registry = await start({ observer })
    using connection = await connect(registry)
    sendHalf(connection)
    await begun
    const stopped = registry.stop(60_000)
    connection.write(large.subarray(500_000))
    await connection.closed
    expect(connection.received).toMatch(/^HTTP\/1\.1 201 [\s\S]*^connection: close\r$/im)
    await stopped
  })

  test('a push that does not end is cut off', async () => {
    const { begun, observer } = watched()
    await using registry = await start({ observer })
    using connection = await connect(registry)
    sendHalf(connection)
    await begun
    await registry.stop(100)
    await connection.closed
    expect(count(connection.received, 201)).toBe(0)
  })

  test('a push that stalls is ended', async () => {
    await using registry = await start({ limits: { stallSeconds: 0.2 } })
    using connection = await connect(registry)
    sendHalf(connection)
    await connection.closed
    expect(count(connection.received, 201)).toBe(0)
  })
})

test('large bodies of HTTP/1.1 are read so, and others by Node', async () => {
  const server = createServer()
  new DirectRequests(server, { keepAliveMs: 1000, log: quiet })
  server.on('request', (request, response) => {
    response.end(directBodyOf(request) === undefined ? 'by Node' : 'directly')
    request.resume()
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as { port: number }
  const answerTo = async (...lines: string[]) => {
    using connection = await RawConnection.open(port)
    connection.writeHead('PUT / HTTP/1.1', 'Host: localhost', ...lines)
    return (await connection.until(/by Node|directly/)).split('\r\n\r\n')[1]?.replaceAll(/[\r\n\d]/g, '')
  }
  expect(await answerTo(`Content-Length: ${MIB}`)).toBe('directly')
  expect(await answerTo('Transfer-Encoding: chunked')).toBe('directly')
  expect(await answerTo('Content-Length: 1000')).toBe('by Node')
  expect(await answerTo(`Content-Length: ${MIB}`, 'Upgrade: h2c')).toBe('by Node')
  server.closeAllConnections()
  server.close()
})
