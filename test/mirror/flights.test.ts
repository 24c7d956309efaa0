/** Flights before an upstream that misbehaves. */
import { randomBytes } from 'node:crypto'
import { once } from 'node:events'
import { request as httpRequest, type IncomingMessage, type ServerResponse } from 'node:http'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { MediaType } from '../../src/core/media-type.ts'
import { refusal } from '../support/http-registry.ts'
import { descriptorOf, imageJson, payloadOf } from '../support/manifest-json.ts'
import { type MirrorUnderTest, startMirror } from '../support/mirror-under-test.ts'
import { ScriptedUpstream } from '../support/scripted-upstream.ts'

const blob = randomBytes(1_000_000)
const digest = digestOf(blob)
const etag = `"${digest}"`
const path = `/v2/a/blobs/${digest}`
const whole = { 'content-length': blob.length, etag }

let upstream: ScriptedUpstream
beforeEach(async () => {
  upstream = await ScriptedUpstream.start()
  upstream.addBlob(blob)
})
afterEach(() => upstream.stop())

const timing = { connectMs: 500, headMs: 500, bodyMs: 500 }
const start = (options = {}) => startMirror({ url: upstream.url, client: { timing } }, options)

/** Answers the GETs of the blob in turn; then it is as it should be. */
function script(...answers: ((request: IncomingMessage, response: ServerResponse) => void)[]): void {
  const left = [...answers]
  upstream.script = (request, response) => {
    if (request.method !== 'GET' || !request.url?.includes('/blobs/')) return false
    const answer = left.shift()
    answer?.(request, response)
    return answer !== undefined
  }
}

/** Sends the first bytes and breaks the connection. */
const breakAfter = (bytes: number) => (_: IncomingMessage, response: ServerResponse) => {
  response.writeHead(200, whole)
  response.write(blob.subarray(0, bytes), () => response.destroy())
}

async function expectServed(mirror: MirrorUnderTest): Promise<void> {
  const answer = await mirror.http.send(`GET ${path}`)
  expect([answer.status, answer.body.equals(blob)]).toEqual([200, true])
  await expect.poll(() => mirror.flights.count).toBe(0)
  expect(await mirror.http.registry.repository('a' as never).blobs.has(digest)).toBe(true)
}

/** Nothing of it is there, nor on its way. */
async function expectNothingStored(mirror: MirrorUnderTest): Promise<void> {
  await expect.poll(() => mirror.flights.count).toBe(0)
  expect(await mirror.http.registry.repository('a' as never).blobs.has(digest)).toBe(false)
  for await (const upload of mirror.http.registry.uploads()) throw new Error(`${upload.id} was left`)
}

/** The first bytes of a body, and how it ended. */
function receive(mirror: MirrorUnderTest, wanted = digest) {
  const wantedPath = `/v2/a/blobs/${wanted}`
  const outgoing = httpRequest({ port: mirror.http.port, host: '127.0.0.1', path: wantedPath }).end()
  const received: Buffer[] = []
  const first = Promise.withResolvers<void>()
  const ended = new Promise<'whole' | 'broken'>((resolve) => {
    outgoing.on('error', () => resolve('broken'))
    outgoing.on('response', (incoming) => {
      incoming.on('data', (chunk) => {
        received.push(chunk)
        first.resolve()
      })
      incoming.on('end', () => resolve('whole'))
      incoming.on('error', () => resolve('broken'))
    })
  })
  return { outgoing, first: first.promise, ended, bytes: () => Buffer.concat(received) }
}

describe('a break', () => {
  test.each([0, 10_000_000])('is resumed where it was, with %i bytes in memory', async (memoryBytes) => {
    script(breakAfter(300_000), breakAfter(0))
    await using mirror = await start({ memoryBytes })
    await expectServed(mirror)
    const [, ...resumed] = upstream.seen('GET', /blobs/)
    expect(resumed.map(({ headers }) => [headers.range, headers['if-range']])).toEqual([
      ['bytes=300000-', etag],
      ['bytes=300000-', etag],
    ])
  })

  test('is resumed by an upstream that heeds no ranges', async () => {
    script(breakAfter(300_000), (_, response) => response.writeHead(200, whole).end(blob))
    await using mirror = await start()
    await expectServed(mirror)
  })

  test('is not resumed with another part', async () => {
    script(breakAfter(300_000), (_, response) => {
      const headers = { 'content-range': `bytes 0-999999/1000000`, 'content-length': blob.length }
      response.writeHead(206, headers).end(blob)
    })
    await using mirror = await start()
    const client = receive(mirror)
    expect(await client.ended).toBe('broken')
    await expectNothingStored(mirror)
  })

  test('is given up after a while, and the client notices', async () => {
    script(breakAfter(300_000), ...Array.from({ length: 20 }, () => breakAfter(0)))
    await using mirror = await start()
    const client = receive(mirror)
    expect(await client.ended).toBe('broken')
    expect(blob.subarray(0, 300_000).equals(client.bytes())).toBe(true)
    await expectNothingStored(mirror)
  })

  test('of silence is resumed', async () => {
    script((_, response) => response.writeHead(200, whole).write(blob.subarray(0, 300_000)))
    await using mirror = await start()
    await expectServed(mirror)
  })

  test('at a redirect whose URL has expired goes back to the registry', async () => {
    let redirects = 0
    upstream.script = (request, response) => {
      if (request.url === '/expired') response.writeHead(403).end()
      else if (request.method === 'GET' && redirects++ === 0)
        response.writeHead(307, { location: '/expired' }).end()
      else return false
      return true
    }
    await using mirror = await start()
    await expectServed(mirror)
    expect(upstream.seen('GET', /./).map(({ path }) => path)).toEqual([path, '/expired', path])
  })
})

describe('wrong content', () => {
  const wrong = Buffer.from(blob)
  wrong[10] = (wrong[10] ?? 0) ^ 1

  test('never completes and is never stored', async () => {
    script((_, response) => response.writeHead(200, whole).end(wrong))
    await using mirror = await start()
    const client = receive(mirror)
    expect(await client.ended).toBe('broken')
    expect(client.bytes().length).toBeLessThanOrEqual(wrong.length - 64 * 1024)
    await expectNothingStored(mirror)
  })

  test('is not asked for again at once', async () => {
    script((_, response) => response.writeHead(200, whole).end(wrong))
    await using mirror = await start()
    await receive(mirror).ended
    await expect.poll(() => mirror.flights.count).toBe(0)
    expect(refusal(await mirror.http.send(`GET ${path}`))).toBe('502 UNAVAILABLE')
    expect(upstream.seen('GET', /blobs/)).toHaveLength(1)
  })

  test('that is small is refused before its first byte', async () => {
    const small = digestOf(Buffer.from('right'))
    upstream.script = (request, response) => {
      if (!request.url?.includes(small)) return false
      response.writeHead(200, { 'content-length': 5 }).end(request.method === 'GET' ? 'wrong' : '')
      return true
    }
    await using mirror = await start()
    expect(refusal(await mirror.http.send(`GET /v2/a/blobs/${small}`))).toBe('502 UNAVAILABLE')
  })

  test('of another size than its manifest says is refused', async () => {
    const layers = [descriptorOf('', { digest, size: blob.length })]
    const manifest = upstream.addManifest(
      Buffer.from(payloadOf(imageJson({ layers }))),
      MediaType.ociManifest,
    )
    script((_, response) => response.writeHead(200, { 'content-length': 4 }).end('tiny'))
    await using mirror = await start()
    expect((await mirror.http.send(`GET /v2/a/manifests/${manifest}`)).status).toBe(200)
    expect(refusal(await mirror.http.send(`GET ${path}`))).toBe('502 UNAVAILABLE')
    await expectNothingStored(mirror)
  })
})

test.each([0, 10_000_000])('the first bytes go out at once, with %i bytes in memory', async (memoryBytes) => {
  const rest = Promise.withResolvers<void>()
  script((_, response) => {
    response.writeHead(200, whole).write(blob.subarray(0, 100_000))
    void rest.promise.then(() => response.end(blob.subarray(100_000)))
  })
  await using mirror = await start({ memoryBytes })
  const clients = Array.from({ length: 5 }, () => receive(mirror))
  await Promise.all(clients.map(({ first }) => first))
  const late = receive(mirror)
  await late.first
  rest.resolve()
  for (const client of [...clients, late]) {
    expect(await client.ended).toBe('whole')
    expect(client.bytes().equals(blob)).toBe(true)
  }
  expect(upstream.seen('GET', /blobs/)).toHaveLength(1)
})

test('a client that leaves ends nothing', async () => {
  const rest = Promise.withResolvers<void>()
  script((_, response) => {
    response.writeHead(200, whole).write(blob.subarray(0, 100_000))
    void rest.promise.then(() => response.end(blob.subarray(100_000)))
  })
  await using mirror = await start()
  const client = receive(mirror)
  await client.first
  client.outgoing.destroy()
  await once(client.outgoing, 'close')
  rest.resolve()
  await expectServed(mirror)
  expect(upstream.seen('GET', /blobs/)).toHaveLength(1)
})

test('a part is served from the flight, or from the upstream if it is far ahead', async () => {
  const large = Buffer.concat([blob, Buffer.alloc(20_000_000, 'x')])
  const [name, size] = [digestOf(large), large.length]
  upstream.addBlob(large)
  const rest = Promise.withResolvers<void>()
  script((_, response) => {
    response.writeHead(200, { 'content-length': size }).write(large.subarray(0, 100_000))
    void rest.promise.then(() => response.end(large.subarray(100_000)))
  })
  await using mirror = await start()
  const client = receive(mirror, name)
  await client.first
  const part = async (first: number, last: number) => {
    const range = `bytes=${first}-${last}`
    const { status, body } = await mirror.http.send(`GET /v2/a/blobs/${name}`, { headers: { range } })
    return [status, body.equals(large.subarray(first, last + 1))]
  }
  expect(await part(1_000, 1_999)).toEqual([206, true])
  expect(await part(size - 1_000, size - 1)).toEqual([206, true])
  const [, ...asked] = upstream.seen('GET', /blobs/).map(({ headers }) => headers.range)
  expect(asked).toEqual([`bytes=${size - 1_000}-${size - 1}`])
  rest.resolve()
  expect(await client.ended).toBe('whole')
})

test('a body of unknown length is served when all of it is there', async () => {
  upstream.script = (request, response) => {
    if (!request.url?.includes('/blobs/')) return false
    if (request.method === 'HEAD') response.writeHead(405).end()
    else response.end(blob)
    return true
  }
  await using mirror = await start()
  await expectServed(mirror)
})

test.each([
  [503, {}, '502 UNAVAILABLE', undefined],
  [429, { 'retry-after': '7' }, '429 TOOMANYREQUESTS', '7'],
  [403, {}, '403 DENIED', undefined],
  [404, {}, '404 BLOB_UNKNOWN', undefined],
])('an upstream that answers %i', async (status, headers, refused, retryAfter) => {
  upstream.script = (_, response) => {
    response.writeHead(status, headers as Record<string, string>).end()
    return true
  }
  await using mirror = await start()
  const answer = await mirror.http.send(`GET ${path}`)
  expect(refusal(answer)).toBe(refused)
  expect(answer.headers['retry-after']).toBe(retryAfter)
})

test('an upstream that says nothing', async () => {
  upstream.script = () => true
  await using mirror = await start()
  expect(refusal(await mirror.http.send(`GET ${path}`))).toBe('504 UNAVAILABLE')
})

test('more flights than are allowed wait for each other', async () => {
  const others = Array.from({ length: 6 }, () => randomBytes(100_000))
  for (const other of others) upstream.addBlob(other)
  await using mirror = await start({ maxFlights: 2 })
  const answers = await Promise.all(
    others.map((other) => mirror.http.send(`GET /v2/a/blobs/${digestOf(other)}`)),
  )
  for (const [index, { body }] of answers.entries()) expect(body.equals(others[index]!)).toBe(true)
})
