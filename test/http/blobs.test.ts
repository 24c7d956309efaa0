/** OCI Distribution Specification 1.1, "Pulling blobs" and "Deleting blobs"; RFC 9110 sections 13 and 14. */
import { expect, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { type Answer, HttpRegistry, refusal } from '../support/http-registry.ts'

const bytes = Buffer.from('0123456789abcdef')
const digest = digestOf(bytes)
const path = `/v2/a/blobs/${digest}`

async function registryWithBlob(): Promise<HttpRegistry> {
  const registry = await HttpRegistry.start()
  await registry.client.pushBlob('a', bytes)
  return registry
}

test('a blob comes back byte for byte, with what a cache needs to keep it for ever', async () => {
  await using registry = await registryWithBlob()
  const answer = await registry.send(`GET ${path}`)
  expect(answer.status).toBe(200)
  expect(answer.body).toEqual(bytes)
  expect(answer.headers).toMatchObject({
    'content-type': 'application/octet-stream',
    'content-length': '16',
    'docker-content-digest': digest,
    etag: `"${digest}"`,
    'cache-control': 'max-age=31536000, immutable',
    'accept-ranges': 'bytes',
  })
})

test('HEAD has the headers of GET and no body', async () => {
  await using registry = await registryWithBlob()
  const [head, get] = [await registry.send(`HEAD ${path}`), await registry.send(`GET ${path}`)]
  expect(head.status).toBe(200)
  expect(head.body).toHaveLength(0)
  expect(withoutChanging(head)).toEqual(withoutChanging(get))
})

function withoutChanging({ headers }: Answer) {
  const { date: _date, 'x-request-id': _id, ...rest } = headers
  return rest
}

test('a blob may be empty', async () => {
  await using registry = await HttpRegistry.start()
  const empty = await registry.client.pushBlob('a', new Uint8Array())
  const answer = await registry.send(`GET /v2/a/blobs/${empty}`)
  expect([answer.status, answer.headers['content-length'], answer.body.length]).toEqual([200, '0', 0])
  expect((await registry.send(`GET /v2/a/blobs/${empty}`, { headers: { range: 'bytes=0-' } })).status).toBe(
    200,
  )
})

test.each([
  ['quoted', `"${digest}"`],
  ['weak', `W/"${digest}"`],
  ['bare', digest],
  ['one of several', `"x", "${digest}"`],
  ['any', '*'],
])('a client that has it is told so: If-None-Match %s', async (_name, etag) => {
  await using registry = await registryWithBlob()
  const answer = await registry.send(`GET ${path}`, { headers: { 'if-none-match': etag } })
  expect(answer.status).toBe(304)
  expect(answer.body).toHaveLength(0)
  expect(answer.headers).toMatchObject({ etag: `"${digest}"`, 'docker-content-digest': digest })
  expect(answer.headers['content-length']).toBeUndefined()
})

test('a client that has something else gets the blob', async () => {
  await using registry = await registryWithBlob()
  expect((await registry.send(`GET ${path}`, { headers: { 'if-none-match': '"other"' } })).status).toBe(200)
})

test.each([
  ['bytes=2-5', '2345', 'bytes 2-5/16'],
  ['bytes=10-', 'abcdef', 'bytes 10-15/16'],
  ['bytes=-3', 'def', 'bytes 13-15/16'],
  ['bytes=-99', '0123456789abcdef', 'bytes 0-15/16'],
  ['bytes=12-99', 'cdef', 'bytes 12-15/16'],
  ['bytes=0-0', '0', 'bytes 0-0/16'],
  ['bytes=15-15', 'f', 'bytes 15-15/16'],
])('a part of it: %s', async (range, part, contentRange) => {
  await using registry = await registryWithBlob()
  const answer = await registry.send(`GET ${path}`, { headers: { range } })
  expect(answer.status).toBe(206)
  expect(answer.body.toString()).toBe(part)
  expect(answer.headers).toMatchObject({
    'content-range': contentRange,
    'content-length': String(part.length),
    'content-type': 'application/octet-stream',
    'docker-content-digest': digest,
  })
})

test.each(['bytes=16-', 'bytes=99-100', 'bytes=-0', 'bytes=5-2'])(
  'a part that is not there: %s',
  async (range) => {
    await using registry = await registryWithBlob()
    const answer = await registry.send(`GET ${path}`, { headers: { range } })
    expect(answer.status).toBe(416)
    expect(answer.headers['content-range']).toBe('bytes */16')
    expect(answer.headers['content-length']).not.toBe('16')
  },
)

test.each(['lines=1-2', 'bytes=a-b', 'bytes=', 'bytes 0-1', `bytes=${'0-0,'.repeat(3000)}`])(
  'a Range that means nothing is ignored: %.20s',
  async (range) => {
    await using registry = await registryWithBlob()
    const answer = await registry.send(`GET ${path}`, { headers: { range } })
    expect([answer.status, answer.body.toString()]).toEqual([200, bytes.toString()])
  },
)

test('several parts come in one answer, in the order asked', async () => {
  await using registry = await registryWithBlob()
  const answer = await registry.send(`GET ${path}`, { headers: { range: 'bytes=12-13, 0-1,-1' } })
  expect(answer.status).toBe(206)
  expect(answer.headers['content-length']).toBe(String(answer.body.length))
  expect(partsOf(answer)).toEqual([
    { range: 'bytes 12-13/16', body: 'cd' },
    { range: 'bytes 0-1/16', body: '01' },
    { range: 'bytes 15-15/16', body: 'f' },
  ])
})

test('a thousand parts in one request, as podman asks for', async () => {
  await using registry = await HttpRegistry.start()
  const large = Buffer.alloc(64 * 1024, 'x')
  const pushed = await registry.client.pushBlob('a', large)
  const range = `bytes=${Array.from({ length: 1000 }, (_, n) => `${n * 60}-${n * 60 + 9}`).join(',')}`
  const answer = await registry.send(`GET /v2/a/blobs/${pushed}`, { headers: { range } })
  expect(answer.status).toBe(206)
  expect(partsOf(answer)).toHaveLength(1000)
})

/** RFC 2046 section 5.1. */
function partsOf({ headers, body }: Answer) {
  const boundary = /^multipart\/byteranges; boundary=(.+)$/.exec(headers['content-type'] ?? '')?.[1]
  const [before, ...rest] = body.toString('latin1').split(`\r\n--${boundary}`)
  expect([before, rest.pop()]).toEqual(['', '--\r\n'])
  return rest.map((part) => {
    const [head = '', content] = part.split('\r\n\r\n', 2)
    expect(head).toContain('Content-Type: application/octet-stream')
    return { range: /Content-Range: (.*)/.exec(head)?.[1], body: content }
  })
}

test('If-Range decides whether the part or the whole is sent', async () => {
  await using registry = await registryWithBlob()
  const statusFor = async (ifRange: string) =>
    (await registry.send(`GET ${path}`, { headers: { range: 'bytes=0-3', 'if-range': ifRange } })).status
  expect(await statusFor(`"${digest}"`)).toBe(206)
  expect(await statusFor('"other"')).toBe(200)
  expect(await statusFor(`W/"${digest}"`)).toBe(200)
  expect(await statusFor('Wed, 21 Oct 2015 07:28:00 GMT')).toBe(200)
})

test('HEAD takes no notice of a Range', async () => {
  await using registry = await registryWithBlob()
  const answer = await registry.send(`HEAD ${path}`, { headers: { range: 'bytes=0-3' } })
  expect([answer.status, answer.headers['content-length']]).toEqual([200, '16'])
})

test('a blob by its sha512 is the same blob', async () => {
  await using registry = await HttpRegistry.start()
  const longDigest = digestOf(bytes, 'sha512')
  const pushed = await registry.send(`POST /v2/a/blobs/uploads/?digest=${longDigest}`, { body: bytes })
  expect([pushed.status, pushed.headers['docker-content-digest']]).toEqual([201, longDigest])
  const byLong = await registry.send(`GET /v2/a/blobs/${longDigest}`)
  expect([byLong.body, byLong.headers['docker-content-digest']]).toEqual([bytes, longDigest])
  const byCanonical = await registry.send(`GET ${path}`)
  expect([byCanonical.body, byCanonical.headers['docker-content-digest']]).toEqual([bytes, digest])
  await registry.client.deleteBlob('a', longDigest)
  expect((await registry.send(`HEAD ${path}`)).status).toBe(404)
})

test('a browser neither runs nor shows a blob that is a page', async () => {
  await using registry = await HttpRegistry.start()
  const page = await registry.client.pushBlob('a', Buffer.from('<script>alert(1)</script>'))
  const accept = 'text/html,application/xhtml+xml,*/*;q=0.8'
  const { headers } = await registry.send(`GET /v2/a/blobs/${page}`, { headers: { accept } })
  expect(headers).toMatchObject({
    'content-type': 'application/octet-stream',
    'content-security-policy': 'sandbox',
    'content-disposition': 'attachment',
    'x-content-type-options': 'nosniff',
  })
})

test('what is not there is 404, and a digest that is none is 400', async () => {
  await using registry = await registryWithBlob()
  const unknown = digestOf(Buffer.from('unknown'))
  const absent = await registry.send(`GET /v2/a/blobs/${unknown}`)
  expect(refusal(absent)).toBe('404 BLOB_UNKNOWN')
  expect((await registry.send(`HEAD /v2/a/blobs/${unknown}`)).status).toBe(404)
  expect(refusal(await registry.send(`GET /v2/a/blobs/sha256:1234`))).toBe('400 DIGEST_INVALID')
})

test('a blob is visible only where it was pushed', async () => {
  await using registry = await registryWithBlob()
  expect(refusal(await registry.send(`GET /v2/b/blobs/${digest}`))).toBe('404 BLOB_UNKNOWN')
})

test('a deleted blob is gone from its repository and stays in others', async () => {
  await using registry = await registryWithBlob()
  await registry.client.mountBlob('b', { digest, from: 'a' })
  expect((await registry.send(`DELETE ${path}`)).status).toBe(202)
  expect((await registry.send(`GET ${path}`)).status).toBe(404)
  expect((await registry.send(`GET /v2/b/blobs/${digest}`)).body).toEqual(bytes)
  expect(refusal(await registry.send(`DELETE ${path}`))).toBe('404 BLOB_UNKNOWN')
})

test('a blob that was deleted can be pushed again', async () => {
  await using registry = await registryWithBlob()
  await registry.client.deleteBlob('a', digest)
  await registry.client.pushBlob('a', bytes)
  expect((await registry.send(`GET ${path}`)).body).toEqual(bytes)
})

test('deleting can be switched off', async () => {
  await using registry = await HttpRegistry.start({ settings: { deleteEnabled: false } })
  await registry.client.pushBlob('a', bytes)
  const answer = await registry.send(`DELETE ${path}`)
  expect(refusal(answer)).toBe('405 UNSUPPORTED')
  expect(answer.headers.allow).toBe('GET, HEAD')
  expect((await registry.send(`HEAD ${path}`)).status).toBe(200)
})
