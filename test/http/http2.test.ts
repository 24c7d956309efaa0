/** The API over HTTP/2, encrypted and in the clear: what it answers, and how it ends what does not move. */
import { once } from 'node:events'
import { type ClientHttp2Stream, constants } from 'node:http2'
import { setTimeout as delay } from 'node:timers/promises'
import { beforeAll, describe, expect, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import type { TlsSettings } from '../../src/http/connection/tls-settings.ts'
import { MemoryDriver } from '../../src/storage/memory.ts'
import { tlsPolicy } from '../../src/tls/policy.ts'
import { sampleImage } from '../e2e/clients/sample-images.ts'
import { Authority, type KeyPair } from '../support/authority.ts'
import { HttpRegistry, type HttpRegistryOptions } from '../support/http-registry.ts'
import { answerOf, Http2Client } from '../support/http2-client.ts'
import { seededRandom } from '../support/random.ts'
import { RecordedLog } from '../support/recorded-log.ts'

const MIB = 1024 ** 2
const { NGHTTP2_NO_ERROR, NGHTTP2_CANCEL, NGHTTP2_INTERNAL_ERROR } = constants

let authority: Authority
let own: KeyPair
beforeAll(async () => {
  authority = await Authority.create('the authority')
  own = await authority.issue('registry')
})

function tls(): TlsSettings {
  return {
    secureContext: { ...tlsPolicy({ minimumtls: 'tls1.2', ciphersuites: [] }), ...own },
    clientCertificates: { isRequested: false, isRequired: false, isVerified: false },
    http2: true,
  }
}

const connect = (registry: HttpRegistry) => Http2Client.connect(registry.url, { ca: authority.cert })

describe.each(['https', 'http'])('over %s', (scheme) => {
  const start = (options: HttpRegistryOptions = {}) =>
    HttpRegistry.start({
      ...options,
      settings: { ...options.settings, h2c: scheme === 'http' },
      tls: scheme === 'https' ? tls() : undefined,
    })

  async function push(client: Http2Client, bytes: Uint8Array): Promise<string> {
    const digest = digestOf(bytes)
    const upload = await client.send('POST /v2/a/blobs/uploads/')
    const pushed = await client.send(`PUT ${upload.headers.location}?digest=${digest}`, { body: bytes })
    expect(pushed.status).toBe(201)
    return digest
  }

  test('an image is pushed and pulled', async () => {
    await using registry = await start()
    using client = await connect(registry)
    const image = sampleImage('http2')
    for (const { bytes } of [...image.layers, image.config]) await push(client, bytes)
    const { bytes, descriptor } = image.manifest
    const headers = { 'content-type': descriptor.mediaType }
    const put = await client.send('PUT /v2/a/manifests/v1', { body: bytes, headers })
    expect(put).toMatchObject({ status: 201, headers: { 'docker-content-digest': descriptor.digest } })
    const pulled = await client.send('GET /v2/a/manifests/v1', { headers: { accept: descriptor.mediaType } })
    expect(pulled).toMatchObject({ status: 200, headers, body: bytes })
    for (const layer of image.layers) {
      const path = `/v2/a/blobs/${layer.descriptor.digest}`
      const head = await client.send(`HEAD ${path}`)
      expect(head).toMatchObject({ status: 200, headers: { 'content-length': `${layer.bytes.length}` } })
      expect((await client.send(`GET ${path}`)).body.equals(layer.bytes)).toBe(true)
      const range = await client.send(`GET ${path}`, { headers: { range: 'bytes=1-4' } })
      expect(range).toMatchObject({ status: 206, body: layer.bytes.subarray(1, 5) })
    }
    expect((await client.send('GET /v2/a/tags/list')).body.toString()).toContain('"v1"')
  })

  test('refusals say why, also to HEAD, and a header of the connection is none of them', async () => {
    const extraHeaders = { 'x-frame-options': ['DENY'], etag: ['a', 'b'], connection: ['close'] }
    await using registry = await start({ settings: { extraHeaders } })
    using client = await connect(registry)
    const path = `/v2/a/blobs/${digestOf(Buffer.from('none'))}`
    const unknown = await client.send(`GET ${path}`)
    expect(unknown).toMatchObject({ status: 404, headers: { 'x-frame-options': 'DENY', etag: 'a, b' } })
    expect(unknown.headers).not.toHaveProperty('connection')
    expect(JSON.parse(unknown.body.toString())).toMatchObject({ errors: [{ code: 'BLOB_UNKNOWN' }] })
    expect(await client.send(`HEAD ${path}`)).toMatchObject({ status: 404, body: Buffer.alloc(0) })
    expect(await client.send('PUT /v2/')).toMatchObject({ status: 405, headers: { allow: 'GET, HEAD' } })
    expect(await client.send('GET /v2/')).toMatchObject({ status: 200 })
    expect(await client.send('GET /')).toMatchObject({ status: 200, body: Buffer.alloc(0) })
  })

  test('a location names the host that was asked for', async () => {
    await using registry = await start({ settings: { relativeUrls: false } })
    using client = await connect(registry)
    const { headers } = await client.send('POST /v2/a/blobs/uploads/')
    expect(headers.location).toContain(`${registry.url}/v2/a/blobs/uploads/`)
  })

  test('many large downloads at once on one connection have the right bytes', async () => {
    await using registry = await start()
    using client = await connect(registry)
    const random = seededRandom('downloads')
    const blobs = Array.from({ length: 8 }, () => random.bytes(3 * MIB))
    const digests: string[] = []
    for (const bytes of blobs) digests.push(await push(client, bytes))
    const answers = await Promise.all(
      Array.from({ length: 64 }, (_, index) => client.send(`GET /v2/a/blobs/${digests[index % 8]}`)),
    )
    answers.forEach(({ status, body }, index) => {
      expect(status).toBe(200)
      expect(body.equals(blobs[index % 8] as Buffer)).toBe(true)
    })
  })

  test('a client waits for leave to send a body', async () => {
    await using registry = await start()
    using client = await connect(registry)
    const bytes = Buffer.from('bytes')
    const stream = client.open(`POST /v2/a/blobs/uploads/?digest=${digestOf(bytes)}`, {
      expect: '100-continue',
      'content-length': `${bytes.length}`,
    })
    await once(stream, 'continue')
    stream.end(bytes)
    expect(await answerOf(stream)).toMatchObject({ status: 201 })
  })

  test('a body that is not wanted is not read to its end', async () => {
    await using registry = await start()
    using client = await connect(registry)
    const stream = client.open('PUT /v2/a/manifests/v1', {
      'content-type': 'application/vnd.oci.image.manifest.v1+json',
    })
    const stop = feed(stream, 64 * MIB)
    expect(await answerOf(stream)).toMatchObject({ status: 413 })
    await closed(stream)
    expect(stream.rstCode).toBe(NGHTTP2_NO_ERROR)
    expect(stop()).toBeLessThan(16 * MIB)
    expect(await client.send('GET /v2/')).toMatchObject({ status: 200 })
  })

  test.each([
    ['cancelled', (stream: ClientHttp2Stream) => stream.close(NGHTTP2_CANCEL)],
    ['closed without a reason', (stream: ClientHttp2Stream) => stream.close(NGHTTP2_NO_ERROR)],
    ['destroyed', (stream: ClientHttp2Stream) => stream.destroy()],
    ['lost with its connection', (stream: ClientHttp2Stream) => stream.session?.socket.destroy()],
  ])('an upload that is %s is not taken for whole, and can go on', async (how, leave) => {
    const recorded = await RecordedLog.start()
    await using registry = await start({ log: recorded.log })
    using client = await connect(registry)
    const { headers } = await client.send('POST /v2/a/blobs/uploads/')
    const bytes = Buffer.from('0123456789abcdef')
    // Node's client says that the body is over before it leaves; by its length it is seen that it was not.
    const length: Record<string, string> = how === 'destroyed' ? {} : { 'content-length': '16' }
    const stream = client.open(`PUT ${headers.location}?digest=${digestOf(bytes)}`, length)
    stream.write(bytes.subarray(0, 8))
    using other = await connect(registry)
    const sizeOf = async () => (await other.send(`GET ${headers.location}`)).headers.range
    await delay(100)
    leave(stream)
    await recorded.until('response aborted')
    await expect.poll(sizeOf).toBe('0-7')
    const put = () =>
      other.send(`PUT ${headers.location}?digest=${digestOf(bytes)}`, { body: bytes.subarray(8) })
    await expect.poll(async () => (await put()).status).toBe(201)
  })

  test('an answer that fails on its way is not taken for whole', async () => {
    const driver = new MemoryDriver()
    const { read } = driver
    driver.read = async function* (path, options) {
      for await (const chunk of read.call(driver, path, options)) {
        yield chunk.subarray(0, 1000)
        throw new Error('the disk is gone')
      }
    }
    await using registry = await start({ driver })
    using client = await connect(registry)
    const digest = await push(client, Buffer.alloc(8 * MIB, 'x'))
    const stream = client.open(`GET /v2/a/blobs/${digest}`)
    await once(stream, 'response')
    stream.resume()
    await closed(stream)
    expect(stream.rstCode).toBe(NGHTTP2_INTERNAL_ERROR)
    expect(await client.send('GET /v2/')).toMatchObject({ status: 200 })
  })

  describe('what stalls', () => {
    const limits = { headerTimeoutSeconds: 0.4, minBytesPerSecond: 1024, stallSeconds: 0.4 }

    test('a download that nobody reads is ended, while others on its connection go on', async () => {
      const recorded = await RecordedLog.start()
      await using registry = await start({ limits, log: recorded.log })
      using client = await connect(registry)
      const bytes = Buffer.alloc(8 * MIB, 'x')
      const digest = await push(client, bytes)
      const stalled = client.open(`GET /v2/a/blobs/${digest}`)
      await once(stalled, 'response')
      const isBroken = recorded.until('response aborted').then(() => true)
      let pulls = 0
      while (!(await Promise.race([isBroken, false]))) {
        expect((await client.send(`GET /v2/a/blobs/${digest}`)).body.equals(bytes)).toBe(true)
        pulls++
      }
      expect(pulls).toBeGreaterThan(0)
      stalled.resume()
      await closed(stalled)
      expect(await client.send('GET /v2/')).toMatchObject({ status: 200 })
    })

    test('an upload that stalls is ended, and its connection goes on', async () => {
      await using registry = await start({ limits })
      using client = await connect(registry)
      const { headers } = await client.send('POST /v2/a/blobs/uploads/')
      const stream = client.open(`PATCH ${headers.location}`)
      stream.write('01234567')
      await closed(stream)
      await expect.poll(async () => (await client.send(`GET ${headers.location}`)).headers.range).toBe('0-7')
    })

    test('a connection on which nothing is asked is ended; one between requests has longer', async () => {
      await using registry = await start({ limits: { ...limits, keepAliveSeconds: 1.5 } })
      using silent = await connect(registry)
      using used = await connect(registry)
      await used.send('GET /v2/')
      const isOver = once(silent.session, 'close')
      await isOver
      expect(await used.send('GET /v2/')).toMatchObject({ status: 200 })
      await once(used.session, 'close')
    })
  })

  test('a stop lets what runs finish and takes nothing new', async () => {
    await using registry = await start()
    using client = await connect(registry)
    using idle = await connect(registry)
    const bytes = Buffer.from('0123456789abcdef')
    const stream = client.open(`POST /v2/a/blobs/uploads/?digest=${digestOf(bytes)}`, {
      expect: '100-continue',
      'content-length': '16',
    })
    await once(stream, 'continue')
    stream.write(bytes.subarray(0, 8))
    const stopped = registry.stop(20_000)
    await new Promise((resolve) => idle.session.once('close', resolve))
    await expect(client.send('GET /v2/')).rejects.toThrow()
    stream.end(bytes.subarray(8))
    expect(await answerOf(stream)).toMatchObject({ status: 201 })
    await stopped
  })

  test('what takes longer than a stop may is cut off', async () => {
    await using registry = await start()
    using client = await connect(registry)
    const stream = client.open('POST /v2/a/blobs/uploads/?digest=x', { expect: '100-continue' })
    const { headers } = await client.send('POST /v2/a/blobs/uploads/')
    const upload = client.open(`PATCH ${headers.location}`, { expect: '100-continue' })
    await once(upload, 'continue')
    await registry.stop(300)
    await closed(upload)
    stream.destroy()
  })

  test('the log has its requests like those of HTTP/1.1', async () => {
    const recorded = await RecordedLog.start()
    await using registry = await start({ log: recorded.log })
    using client = await connect(registry)
    await client.send('GET /v2/?secret', { headers: { 'user-agent': 'me', 'x-request-id': 'mine' } })
    expect(JSON.parse(await recorded.until('response completed'))).toMatchObject({
      'http.request.id': 'mine',
      'http.request.remoteaddr': '127.0.0.1',
      'http.request.method': 'GET',
      'http.request.uri': '/v2/',
      'http.response.status': 200,
      'http.request.useragent': 'me',
    })
  })
})

describe('in the clear, beside HTTP/1.1', () => {
  const start = (options: HttpRegistryOptions = {}) =>
    HttpRegistry.start({ ...options, settings: { h2c: true } })

  test('both are served on one port', async () => {
    await using registry = await start()
    const digest = await registry.client.pushBlob('a', Buffer.from('bytes'))
    using client = await connect(registry)
    expect((await client.send(`GET /v2/a/blobs/${digest}`)).body.toString()).toBe('bytes')
    for (const method of ['PUT', 'PATCH', 'POST']) {
      expect((await registry.send(`${method} /v2/`)).status).toBe(405)
    }
  })

  test('an answer does not wait for all of the preface, and a preface may come in pieces', async () => {
    await using registry = await start()
    using connection = await registry.connect()
    connection.socket.setNoDelay(true)
    for (const piece of ['P', 'R', 'I * HTTP/2.0\r\n\r\nSM\r\n\r\n']) {
      connection.write(piece)
      await delay(30)
    }
    connection.write(Buffer.from('000000040000000000', 'hex'))
    // A frame of type SETTINGS.
    await connection.until(/^[\s\S]{3}\x04/)
    using old = await registry.connect()
    old.write('P')
    await delay(30)
    old.write('UT /v2/ HTTP/1.1\r\nHost: localhost\r\n\r\n')
    await old.until(/^HTTP\/1\.1 405 /)
  })

  test('a connection that says nothing, or not enough, is ended in time', async () => {
    await using registry = await HttpRegistry.start({
      settings: { h2c: true },
      limits: { headerTimeoutSeconds: 0.3 },
    })
    using silent = await registry.connect()
    using begun = await registry.connect()
    begun.write('PR')
    await Promise.all([silent.closed, begun.closed])
  })

  test('where it is not asked for it is not served', async () => {
    await using registry = await HttpRegistry.start()
    using connection = await registry.connect()
    connection.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
    await connection.closed
    expect(connection.received).toMatch(/^HTTP\/1\.1 400 /)
  })
})

async function closed(stream: ClientHttp2Stream): Promise<void> {
  if (!stream.closed || !stream.destroyed) await new Promise((resolve) => stream.once('close', resolve))
}

/** Writes until it is told to stop, or has written it all. Returns how to stop, which says how much it was. */
function feed(stream: ClientHttp2Stream, size: number): () => number {
  let written = 0
  let isOver = false
  const chunk = Buffer.alloc(64 * 1024, ' ')
  const next = () => {
    if (isOver || stream.destroyed || written >= size) return
    written += chunk.length
    stream.write(chunk, next)
  }
  next()
  return () => {
    isOver = true
    return written
  }
}
