/** A pull through the mirror, once and again. */
import { randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { MediaType } from '../../src/core/media-type.ts'
import { refusal } from '../support/http-registry.ts'
import { descriptorOf, imageJson, payloadOf } from '../support/manifest-json.ts'
import { startMirror } from '../support/mirror-under-test.ts'
import { ScriptedUpstream } from '../support/scripted-upstream.ts'

/** An upstream with an image of one layer. */
async function upstreamWithImage(layerBytes = 300_000) {
  const upstream = await ScriptedUpstream.start()
  const layer = randomBytes(layerBytes)
  const config = Buffer.from('config')
  const payload = payloadOf(
    imageJson({ layers: [descriptorOf('', { digest: digestOf(layer), size: layer.length })] }),
  )
  upstream.addBlob(layer)
  upstream.addBlob(config)
  const manifest = upstream.addManifest(Buffer.from(payload), MediaType.ociManifest)
  upstream.setTag('a', 'latest', manifest)
  return { upstream, layer, payload, manifest, digest: digestOf(layer) }
}

test('an image is fetched once, and then is here', async () => {
  const { upstream, layer, payload, digest } = await upstreamWithImage()
  await using _ = upstream
  await using mirror = await startMirror({ url: upstream.url })
  for (let round = 1; round <= 2; round++) {
    const manifest = await mirror.http.send('GET /v2/a/manifests/latest')
    expect([manifest.status, manifest.body]).toEqual([200, payload])
    const blob = await mirror.http.send(`GET /v2/a/blobs/${digest}`)
    expect([blob.status, blob.body.equals(layer)]).toEqual([200, true])
    await expect.poll(() => mirror.flights.count).toBe(0)
  }
  expect(upstream.seen('GET', /blobs/)).toHaveLength(1)
  expect(upstream.seen('GET', /manifests/)).toHaveLength(1)
  expect(upstream.seen('HEAD', /manifests/)).toHaveLength(2)
})

test('nothing is pushed', async () => {
  const { upstream, digest } = await upstreamWithImage()
  await using _ = upstream
  await using mirror = await startMirror({ url: upstream.url })
  for (const request of [
    'POST /v2/a/blobs/uploads/',
    `POST /v2/a/blobs/uploads/?mount=${digest}&from=b`,
    'PUT /v2/a/manifests/other',
  ]) {
    const headers = { 'content-type': MediaType.ociManifest }
    const answer = await mirror.http.send(request, { headers, body: payloadOf(imageJson({ layers: [] })) })
    expect(refusal(answer)).toBe('405 UNSUPPORTED')
  }
})

test('a HEAD of a blob fetches nothing', async () => {
  const { upstream, layer, digest } = await upstreamWithImage()
  await using _ = upstream
  await using mirror = await startMirror({ url: upstream.url })
  const answer = await mirror.http.send(`HEAD /v2/a/blobs/${digest}`)
  expect([answer.status, answer.headers['content-length']]).toEqual([200, String(layer.length)])
  await mirror.http.send('GET /v2/a/manifests/latest')
  expect((await mirror.http.send(`HEAD /v2/a/blobs/${digest}`)).status).toBe(200)
  expect(upstream.seen('GET', /blobs/)).toHaveLength(0)
  expect(upstream.seen('HEAD', /blobs/)).toHaveLength(1)
})

test.each([405, 403])(
  'a HEAD of a blob that the upstream answers with %i is answered by a GET',
  async (status) => {
    const { upstream, layer, digest } = await upstreamWithImage()
    await using _ = upstream
    upstream.script = ({ method, url = '' }, response) => {
      if (method !== 'HEAD' || !url.includes('/blobs/')) return false
      response.writeHead(status).end()
      return true
    }
    await using mirror = await startMirror({ url: upstream.url })
    const answer = await mirror.http.send(`HEAD /v2/a/blobs/${digest}`)
    expect([answer.status, answer.headers['content-length']]).toEqual([200, String(layer.length)])
    await expect.poll(() => mirror.flights.count).toBe(0)
    expect((await mirror.http.send(`GET /v2/a/blobs/${digest}`)).body.equals(layer)).toBe(true)
    expect(upstream.seen('GET', /blobs/)).toHaveLength(1)
  },
)

test('what the upstream has not is unknown, and it is asked once', async () => {
  const { upstream } = await upstreamWithImage()
  await using _ = upstream
  await using mirror = await startMirror({ url: upstream.url })
  const absent = digestOf(Buffer.from('absent'))
  for (let round = 1; round <= 2; round++) {
    expect(refusal(await mirror.http.send('GET /v2/a/manifests/absent'))).toBe('404 MANIFEST_UNKNOWN')
    expect(refusal(await mirror.http.send(`GET /v2/a/manifests/${absent}`))).toBe('404 MANIFEST_UNKNOWN')
    expect(refusal(await mirror.http.send(`GET /v2/a/blobs/${absent}`))).toBe('404 BLOB_UNKNOWN')
  }
  expect(upstream.requests.map(({ method }) => method).sort()).toEqual(['GET', 'HEAD', 'HEAD'])
})

test('fifty clients cost one GET', async () => {
  const { upstream, layer, digest } = await upstreamWithImage(1_000_000)
  await using _ = upstream
  await using mirror = await startMirror({ url: upstream.url })
  const pull = async () => {
    await mirror.http.send('GET /v2/a/manifests/latest')
    return mirror.http.send(`GET /v2/a/blobs/${digest}`)
  }
  const answers = await Promise.all(Array.from({ length: 50 }, pull))
  expect(answers.every(({ status, body }) => status === 200 && body.equals(layer))).toBe(true)
  expect(upstream.seen('GET', /blobs/)).toHaveLength(1)
  expect(upstream.seen('GET', /manifests/)).toHaveLength(1)
})

test('missing bytes are fetched again', async () => {
  const { upstream, layer, digest } = await upstreamWithImage()
  await using _ = upstream
  await using mirror = await startMirror({ url: upstream.url })
  await mirror.http.send(`GET /v2/a/blobs/${digest}`)
  await expect.poll(() => mirror.flights.count).toBe(0)
  await mirror.http.driver.delete(`/docker/registry/v2/blobs/sha256/${digest.slice(7, 9)}/${digest.slice(7)}`)
  const again = await mirror.http.send(`GET /v2/a/blobs/${digest}`)
  expect([again.status, again.body.equals(layer)]).toEqual([200, true])
})
