/** An upstream that means harm, or is broken in ways that harm. */
import { randomBytes } from 'node:crypto'
import type { ServerResponse } from 'node:http'
import { gzipSync } from 'node:zlib'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { MediaType } from '../../src/core/media-type.ts'
import { descriptorOf, imageJson, payloadOf } from '../support/manifest-json.ts'
import { startMirror } from '../support/mirror-under-test.ts'
import { ScriptedUpstream } from '../support/scripted-upstream.ts'

const layer = randomBytes(300_000)
const digest = digestOf(layer)
const payload = Buffer.from(
  payloadOf(imageJson({ layers: [descriptorOf('', { digest, size: layer.length })] })),
)

let upstream: ScriptedUpstream
beforeEach(async () => {
  upstream = await ScriptedUpstream.start()
  upstream.addBlob(layer)
  upstream.setTag('a', 'v1', upstream.addManifest(payload, MediaType.ociManifest))
})
afterEach(() => upstream.stop())

const timing = { connectMs: 3_000, headMs: 3_000, bodyMs: 3_000 }
const start = () => startMirror({ url: upstream.url, client: { timing } })

/** Writes for as long as the other side reads. Resolves once it does not. */
function endless(response: ServerResponse): Promise<void> {
  const write = () => {
    while (!response.destroyed && response.write(Buffer.alloc(64 * 1024, 'a')));
  }
  response.on('drain', write)
  write()
  return new Promise((resolve) => response.once('close', resolve))
}

test('a manifest without end is given up, and its connection is closed', async () => {
  const closed = Promise.withResolvers<void>()
  upstream.script = (request, response) => {
    if (request.method !== 'GET') return false
    response.writeHead(200, { 'content-type': MediaType.ociManifest })
    void endless(response).then(closed.resolve)
    return true
  }
  await using mirror = await start()
  expect((await mirror.http.send('GET /v2/a/manifests/v1')).status).toBe(502)
  await closed.promise
})

test('a blob without end is given up at the size that its manifest says', async () => {
  const closed = Promise.withResolvers<void>()
  upstream.script = ({ url = '', method }, response) => {
    if (method !== 'GET' || !url.includes('/blobs/')) return false
    response.writeHead(200)
    void endless(response).then(closed.resolve)
    return true
  }
  await using mirror = await start()
  await mirror.http.send('GET /v2/a/manifests/v1')
  const answer = await mirror.http.send(`GET /v2/a/blobs/${digest}`).catch(() => ({ status: 0 }))
  expect([0, 502]).toContain(answer.status)
  await closed.promise
  expect(await mirror.http.registry.repository('a' as never).blobs.has(digest)).toBe(false)
})

test('a blob whose answer contradicts its manifest leaves no connection open', async () => {
  const closed = Promise.withResolvers<void>()
  upstream.script = ({ url = '', method }, response) => {
    if (method !== 'GET' || !url.includes('/blobs/')) return false
    response.writeHead(200, { 'content-length': 10_000_000 }).write(layer)
    response.once('close', closed.resolve)
    return true
  }
  await using mirror = await start()
  await mirror.http.send('GET /v2/a/manifests/v1')
  expect((await mirror.http.send(`GET /v2/a/blobs/${digest}`)).status).toBe(502)
  await closed.promise
})

test.each(['gzip', 'br', 'x-unknown'])(
  'a blob that is encoded by %s is not taken for itself',
  async (encoding) => {
    upstream.script = ({ url = '', method }, response) => {
      if (method !== 'GET' || !url.includes('/blobs/')) return false
      response.writeHead(200, { 'content-encoding': encoding }).end(gzipSync(layer))
      return true
    }
    await using mirror = await start()
    await mirror.http.send('GET /v2/a/manifests/v1')
    expect((await mirror.http.send(`GET /v2/a/blobs/${digest}`)).status).toBe(502)
  },
)

test('a layer that the manifest says is elsewhere is not fetched from there', async () => {
  await using elsewhere = await ScriptedUpstream.start()
  const foreign = elsewhere.addBlob(Buffer.from('a foreign layer'))
  const urls = [`${elsewhere.url}/v2/a/blobs/${foreign}`]
  const layers = [{ ...descriptorOf('', { digest: foreign, size: 15 }), urls }]
  const image = Buffer.from(payloadOf(imageJson({ layers })))
  upstream.setTag('a', 'foreign', upstream.addManifest(image, MediaType.ociManifest))
  await using mirror = await start()
  expect((await mirror.http.send('GET /v2/a/manifests/foreign')).body.equals(image)).toBe(true)
  expect((await mirror.http.send(`GET /v2/a/blobs/${foreign}`)).status).toBe(404)
  expect(elsewhere.requests).toEqual([])
})

test('headers without end are given up', async () => {
  upstream.script = ({ socket }) => {
    socket.write(`HTTP/1.1 200 OK\r\nx: ${'a'.repeat(1_000_000)}`)
    return true
  }
  await using mirror = await start()
  expect((await mirror.http.send('GET /v2/a/manifests/v1')).status).toBe(502)
})

test('a list of tags whose pages lead in a circle, or elsewhere, ends', async () => {
  upstream.script = ({ url = '' }, response) => {
    if (!url.includes('/tags/list')) return false
    response
      .writeHead(200, {
        'content-type': 'application/json',
        link: '<http://169.254.169.254/v2/a/tags/list>; rel="next"',
      })
      .end(JSON.stringify({ name: 'a', tags: ['v1'] }))
    return true
  }
  await using mirror = await start()
  const { body } = await mirror.http.send('GET /v2/a/tags/list')
  expect(JSON.parse(body.toString()).tags).toEqual(['v1'])
  expect(upstream.seen('GET', /tags/)).toHaveLength(1)
})
