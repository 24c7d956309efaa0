/** HTTPS: who gets a connection, and what a connection gets. */
import { once } from 'node:events'
import { request } from 'node:https'
import { buffer } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { type ConnectionOptions, connect, type TLSSocket } from 'node:tls'
import { beforeAll, describe, expect, test } from 'vitest'
import type { ClientCertificates, TlsSettings } from '../../src/http/connection/tls-settings.ts'
import { tlsPolicy } from '../../src/tls/policy.ts'
import { Authority, type KeyPair } from '../support/authority.ts'
import { HttpRegistry, type HttpRegistryOptions } from '../support/http-registry.ts'
import { RecordedLog } from '../support/recorded-log.ts'

const MIB = 1024 ** 2
const nobody: ClientCertificates = { isRequested: false, isRequired: false, isVerified: false }

let authority: Authority
let stranger: Authority
let own: KeyPair
beforeAll(async () => {
  authority = await Authority.create('the authority')
  stranger = await Authority.create('a stranger')
  own = await authority.issue('registry')
})

function tls(changes: Partial<TlsSettings> = {}): TlsSettings {
  return {
    secureContext: { ...policy(), ...own, ca: [authority.cert] },
    clientCertificates: nobody,
    http2: true,
    ...changes,
  }
}

const policy = (options: Partial<Parameters<typeof tlsPolicy>[0]> = {}) =>
  tlsPolicy({ minimumtls: 'tls1.2', ciphersuites: [], ...options })

const start = (changes: Partial<TlsSettings> = {}, options: HttpRegistryOptions = {}) =>
  HttpRegistry.start({ ...options, tls: tls(changes) })

interface Answer {
  status: number | undefined
  location: string | undefined
  body: string
  socket: TLSSocket
}

/** One request of HTTP/1.1 on a connection of its own. */
async function send(
  { port }: HttpRegistry,
  line = 'GET /v2/',
  options: ConnectionOptions = {},
): Promise<Answer> {
  const [method, path] = line.split(' ')
  const outgoing = request({ port, method, path, agent: false, ca: authority.cert, ...options }).end()
  const [incoming] = await once(outgoing, 'response')
  const { statusCode: status, headers, socket } = incoming
  return { status, location: headers.location, body: String(await buffer(incoming)), socket }
}

async function handshake(registry: HttpRegistry, options: ConnectionOptions = {}): Promise<TLSSocket> {
  const socket = connect({ port: registry.port, host: 'localhost', ca: authority.cert, ...options })
  await once(socket, 'secureConnect')
  return socket
}

test('a client that trusts the authority is served', async () => {
  await using registry = await start()
  expect(await send(registry)).toMatchObject({ status: 200, body: '{}' })
  await expect(send(registry, 'GET /v2/', { ca: stranger.cert })).rejects.toThrow('self-signed')
})

test('HTTP/2 is spoken with those who ask for it, unless it is switched off', async () => {
  const protocolOf = async (registry: HttpRegistry, ALPNProtocols: string[]) => {
    const socket = await handshake(registry, { ALPNProtocols })
    socket.destroy()
    return socket.alpnProtocol
  }
  await using both = await start()
  expect(await protocolOf(both, ['h2', 'http/1.1'])).toBe('h2')
  expect(await protocolOf(both, ['http/1.1'])).toBe('http/1.1')
  expect(await protocolOf(both, [])).toBe(false)
  await using one = await start({ http2: false })
  expect(await protocolOf(one, ['h2', 'http/1.1'])).toBe('http/1.1')
  await expect(protocolOf(one, ['h2'])).rejects.toThrow(/no application protocol/i)
  expect(await send(one)).toMatchObject({ status: 200 })
})

test('an absolute location begins with https', async () => {
  await using registry = await start({}, { settings: { relativeUrls: false } })
  const { location } = await send(registry, 'POST /v2/a/blobs/uploads/')
  expect(location).toMatch(/^https:\/\/localhost:\d+\/v2\/a\/blobs\/uploads\//)
})

describe('versions and ciphers', () => {
  const tls11: ConnectionOptions = {
    minVersion: 'TLSv1',
    maxVersion: 'TLSv1.1',
    ciphers: 'DEFAULT:@SECLEVEL=0',
  }

  test.each([
    ['tls1.0', tls11, 'TLSv1.1'],
    ['tls1.0', { ...tls11, maxVersion: 'TLSv1' }, 'TLSv1'],
    ['tls1.1', tls11, 'TLSv1.1'],
    ['tls1.2', { maxVersion: 'TLSv1.2' }, 'TLSv1.2'],
    ['tls1.3', {}, 'TLSv1.3'],
  ] as const)('%s lets %j in', async (minimumtls, options, version) => {
    await using registry = await start({ secureContext: { ...policy({ minimumtls }), ...own } })
    const socket = await handshake(registry, options)
    expect(socket.getProtocol()).toBe(version)
    socket.destroy()
    expect(await send(registry, 'GET /v2/', options)).toMatchObject({ status: 200 })
  })

  test.each([
    ['tls1.1', { ...tls11, maxVersion: 'TLSv1' }],
    ['tls1.2', tls11],
    ['tls1.3', { maxVersion: 'TLSv1.2' }],
  ] as const)('%s keeps %j out', async (minimumtls, options) => {
    await using registry = await start({ secureContext: { ...policy({ minimumtls }), ...own } })
    await expect(handshake(registry, options)).rejects.toThrow(/protocol version/)
  })

  test('only the suites that are named are agreed on, and those of TLS 1.3 beside them', async () => {
    const ciphersuites = ['ECDHE-ECDSA-AES256-GCM-SHA384']
    await using registry = await start({ secureContext: { ...policy({ ciphersuites }), ...own } })
    const old = await handshake(registry, { maxVersion: 'TLSv1.2' })
    expect(old.getCipher().name).toBe('ECDHE-ECDSA-AES256-GCM-SHA384')
    const ciphers = 'ECDHE-ECDSA-AES128-GCM-SHA256'
    await expect(handshake(registry, { maxVersion: 'TLSv1.2', ciphers })).rejects.toThrow(/handshake failure/)
    const current = await handshake(registry)
    expect(current.getProtocol()).toBe('TLSv1.3')
    for (const socket of [old, current]) socket.destroy()
  })

  test('of TLS 1.3 those that are named', async () => {
    const ciphersuites = ['TLS_AES_128_GCM_SHA256']
    await using registry = await start({ secureContext: { ...policy({ ciphersuites }), ...own } })
    const socket = await handshake(registry)
    expect(socket.getCipher().standardName).toBe('TLS_AES_128_GCM_SHA256')
    socket.destroy()
    await expect(handshake(registry, { ciphers: 'TLS_AES_256_GCM_SHA384' })).rejects.toThrow()
  })
})

describe('certificates of clients', () => {
  const modes = {
    'request-client-cert': { isRequested: true, isRequired: false, isVerified: false },
    'require-any-client-cert': { isRequested: true, isRequired: true, isVerified: false },
    'verify-client-cert-if-given': { isRequested: true, isRequired: false, isVerified: true },
    'require-and-verify-client-cert': { isRequested: true, isRequired: true, isVerified: true },
  }
  const none = async () => ({})
  const untrusted = () => stranger.issue('client')
  const trusted = () => authority.issue('client')
  const expired = () => authority.issue('client', { validTo: new Date(Date.now() - 1000) })

  test.each([
    ['request-client-cert', 'none', none, true],
    ['request-client-cert', 'an untrusted one', untrusted, true],
    ['request-client-cert', 'a trusted one', trusted, true],
    ['require-any-client-cert', 'none', none, false],
    ['require-any-client-cert', 'an untrusted one', untrusted, true],
    ['require-any-client-cert', 'a trusted one', trusted, true],
    ['verify-client-cert-if-given', 'none', none, true],
    ['verify-client-cert-if-given', 'an untrusted one', untrusted, false],
    ['verify-client-cert-if-given', 'an expired one', expired, false],
    ['verify-client-cert-if-given', 'a trusted one', trusted, true],
    ['require-and-verify-client-cert', 'none', none, false],
    ['require-and-verify-client-cert', 'an untrusted one', untrusted, false],
    ['require-and-verify-client-cert', 'an expired one', expired, false],
    ['require-and-verify-client-cert', 'a trusted one', trusted, true],
  ] as const)('%s, and the client has %s', async (mode, _what, make, isServed) => {
    const recorded = await RecordedLog.start()
    await using registry = await start({ clientCertificates: modes[mode] }, { log: recorded.log })
    const certificate = await make()
    for (const ALPNProtocols of [['http/1.1'], ['h2']]) {
      const socket = await handshake(registry, { ...certificate, ALPNProtocols })
      socket.on('error', () => {})
      const first = once(socket, 'data').then(() => true)
      if (ALPNProtocols[0] === 'http/1.1') socket.write('GET /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n')
      const ended = once(socket, 'close').then(() => false)
      expect(await Promise.race([first, ended])).toBe(isServed)
      socket.destroy()
    }
    if (!isServed) await recorded.until('a client was rejected because of its certificate')
  })

  test('without authorities nobody counts as verified', async () => {
    const secureContext = { ...policy(), ...own, ca: [] }
    await using registry = await start({
      secureContext,
      clientCertificates: modes['verify-client-cert-if-given'],
    })
    await expect(send(registry, 'GET /v2/', await trusted())).rejects.toThrow(/hang up|ECONNRESET/)
  })
})

describe('what is no TLS', () => {
  test('a request in the clear is told to use https', async () => {
    await using registry = await start()
    using connection = await registry.connect()
    connection.writeHead('GET /v2/ HTTP/1.1', 'Host: localhost')
    await connection.closed
    expect(connection.received).toMatch(/^HTTP\/1\.1 400 Bad Request\r\n/)
    const [, body = ''] = connection.received.split('\r\n\r\n')
    expect(JSON.parse(body)).toEqual({
      errors: [{ code: 'UNSUPPORTED', message: 'the client sent an HTTP request to an HTTPS server' }],
    })
    const startedAt = performance.now()
    await registry.stop(20_000)
    expect(performance.now() - startedAt).toBeLessThan(10_000)
  })

  test.each([
    ['garbage', Buffer.from([0, 1, 2, 3, 4, 5, 6, 7])],
    ['a handshake that is none', Buffer.from('16030100050100000100', 'hex')],
    ['a record that is too long', Buffer.concat([Buffer.from('160301ffff', 'hex'), Buffer.alloc(70_000)])],
  ])('%s ends its connection, and nothing else', async (_what, bytes) => {
    await using registry = await start()
    using connection = await registry.connect()
    connection.write(bytes)
    await connection.closed
    expect(await send(registry)).toMatchObject({ status: 200 })
  })

  test('a connection that says nothing, or does not go on with its handshake, is ended in time', async () => {
    const limits = { headerTimeoutSeconds: 0.3 }
    await using registry = await start({}, { limits })
    using silent = await registry.connect()
    using begun = await registry.connect()
    begun.write(Buffer.from('1603010200', 'hex'))
    const idle = await handshake(registry, { ALPNProtocols: ['h2'] })
    const idleOld = await handshake(registry, { ALPNProtocols: ['http/1.1'] })
    const closed = [idle, idleOld].map((socket) => once(socket.resume(), 'close'))
    await Promise.all([silent.closed, begun.closed, ...closed])
  })

  test('connections that never shake hands do not keep others waiting', async () => {
    await using registry = await start()
    const silent = await Promise.all(Array.from({ length: 300 }, () => registry.connect()))
    for (const connection of silent) connection.write(Buffer.from('1603010200', 'hex'))
    for (let n = 0; n < 20; n++) expect(await send(registry)).toMatchObject({ status: 200 })
    for (const connection of silent) connection[Symbol.dispose]()
  })
})

test('a new certificate is for new connections; those there are go on', async () => {
  await using registry = await start()
  const bytes = Buffer.alloc(32 * MIB, 'x')
  const digest = await pushBlob(registry, bytes)
  const outgoing = request({
    port: registry.port,
    path: `/v2/a/blobs/${digest}`,
    agent: false,
    ca: authority.cert,
  }).end()
  const [incoming] = await once(outgoing, 'response')
  await once(incoming, 'readable')
  const next = await authority.issue('the next one')
  registry.server.setSecureContext({ ...policy(), ...next })
  const socket = await handshake(registry)
  expect(socket.getPeerCertificate().subject.CN).toBe('the next one')
  socket.destroy()
  expect((await buffer(incoming)).equals(bytes)).toBe(true)
})

describe('stopping', () => {
  test('what runs finishes, and its connection is then closed', async () => {
    await using registry = await start()
    const socket = await handshake(registry, { ALPNProtocols: ['http/1.1'] })
    const received = buffer(socket)
    socket.write(
      'POST /v2/a/blobs/uploads/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n',
    )
    await delay(50)
    const stopped = registry.stop(20_000)
    socket.write('x')
    expect(String(await received)).toMatch(/HTTP\/1\.1 202 Accepted[\s\S]*connection: close/i)
    await stopped
  })

  test('connections without a request do not hold it up, whatever they have said', async () => {
    await using registry = await start({}, { limits: { headerTimeoutSeconds: 1 } })
    using silent = await registry.connect()
    const idle = await handshake(registry, { ALPNProtocols: ['http/1.1'] })
    idle.on('error', () => {})
    const idleNew = await handshake(registry, { ALPNProtocols: ['h2'] })
    for (const socket of [idle, idleNew]) socket.resume()
    const startedAt = performance.now()
    await registry.stop(20_000)
    expect(performance.now() - startedAt).toBeLessThan(15_000)
    await silent.closed
    for (const socket of [idle, idleNew]) socket.destroy()
  })

  test('a handshake in its middle is cut off in the end', async () => {
    await using registry = await start()
    using begun = await registry.connect()
    begun.write(Buffer.from('1603010200', 'hex'))
    await send(registry)
    await registry.stop(300)
    await begun.closed
  })
})

/** Through the registry itself, without a connection. */
async function pushBlob({ registry }: HttpRegistry, bytes: Buffer): Promise<string> {
  const { digestOf } = await import('../../src/core/digest.ts')
  const { parseRepositoryName } = await import('../../src/core/reference.ts')
  const upload = await registry.repository(parseRepositoryName('a')).blobs.createUpload()
  await upload.append(oneChunk(bytes), { offset: 0 })
  const digest = digestOf(bytes)
  await upload.commit(digest)
  return digest
}

async function* oneChunk(bytes: Buffer): AsyncGenerator<Uint8Array> {
  yield bytes
}
