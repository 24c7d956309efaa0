/** Tags, which an upstream may change at any time, and of which it may say nothing. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { MediaType } from '../../src/core/media-type.ts'
import type { Tag } from '../../src/core/reference.ts'
import type { MirrorSettings } from '../../src/mirror/upstream/settings.ts'
import { refusal } from '../support/http-registry.ts'
import { descriptorOf, imageJson, payloadOf } from '../support/manifest-json.ts'
import { type MirrorUnderTest, name, startMirror } from '../support/mirror-under-test.ts'
import { type Script, ScriptedUpstream } from '../support/scripted-upstream.ts'

let upstream: ScriptedUpstream
let first: string
let second: string
beforeEach(async () => {
  upstream = await ScriptedUpstream.start()
  first = addImage('first')
  second = addImage('second')
  upstream.setTag('a', 'v1', first)
})
afterEach(() => upstream.stop())

function addImage(layer: string): string {
  const payload = payloadOf(imageJson({ layers: [descriptorOf(layer)] }))
  return upstream.addManifest(Buffer.from(payload), MediaType.ociManifest)
}

const timing = { connectMs: 3_000, headMs: 3_000, bodyMs: 3_000 }

const start = (settings: Partial<MirrorSettings> = {}) =>
  startMirror({ url: upstream.url, client: { timing }, settings })

const pull = (mirror: MirrorUnderTest) => mirror.http.send('GET /v2/a/manifests/v1')

test('a tag that moves is followed, and a manifest is fetched once', async () => {
  await using mirror = await start()
  for (const digest of [first, first, second, first]) {
    upstream.setTag('a', 'v1', digest)
    expect((await pull(mirror)).headers['docker-content-digest']).toBe(digest)
  }
  expect(upstream.seen('GET', /manifests/)).toHaveLength(2)
  expect(upstream.seen('HEAD', /manifests/)).toHaveLength(4)
})

test('all kinds of manifests are accepted', async () => {
  await using mirror = await start()
  await pull(mirror)
  const [head] = upstream.seen('HEAD', /manifests/)
  for (const type of Object.values(MediaType)) expect(head?.headers.accept).toContain(type)
})

test('a hundred clients at once cost one HEAD', async () => {
  await using mirror = await start()
  const { tags } = mirror.registry.repository(name('a'))
  const found = await Promise.all(Array.from({ length: 100 }, () => tags.get('v1' as Tag)))
  expect(new Set(found)).toEqual(new Set([first]))
  expect(upstream.seen('HEAD', /manifests/)).toHaveLength(1)
  expect(upstream.seen('GET', /manifests/)).toHaveLength(1)
})

test('a tag is found there, or said not to be there', async () => {
  await using mirror = await start()
  const { tags } = mirror.registry.repository(name('a'))
  expect(await tags.find('v1' as Tag)).toBe(first)
  expect(await tags.find('other' as Tag)).toBeUndefined()
})

const answerWith =
  (status: number, headers: Record<string, string> = {}): Script =>
  (_, response) => {
    response.writeHead(status, headers).end()
    return true
  }

describe('the copy is served within a second', () => {
  test.each<[string, Script]>([
    ['asked too often', answerWith(429, { 'retry-after': '60' })],
    ['broken', answerWith(500)],
    ['behind a broken proxy', answerWith(502)],
    ['refusing our credentials', answerWith(401)],
    ['forbidding', answerWith(403)],
    ['silent', () => true],
    ['no registry', answerWith(418)],
  ])('while the upstream is %s', async (_, script) => {
    await using mirror = await start()
    const before = await pull(mirror)
    upstream.script = script
    for (let round = 1; round <= 3; round++) {
      const startedAt = performance.now()
      const answer = await pull(mirror)
      expect([answer.status, answer.body]).toEqual([200, before.body])
      expect(answer.headers['cache-status']).toBe('entrepot; hit; detail=stale')
      // Only the first one waits.
      expect(performance.now() - startedAt).toBeLessThan(round === 1 ? 2_000 : 700)
    }
  })

  test('while the upstream is gone, and the tag is followed when it is back', async () => {
    await using mirror = await start()
    await pull(mirror)
    const port = Number(new URL(upstream.url).port)
    await upstream.stop()
    for (let round = 1; round <= 5; round++)
      expect((await pull(mirror)).headers['docker-content-digest']).toBe(first)
    expect(mirror.upstreams[0]?.breaker.state).toBe('open')
    upstream = await ScriptedUpstream.start({ port })
    addImage('first')
    upstream.setTag('a', 'v1', addImage('second'))
    const digest = async () => (await pull(mirror)).headers['docker-content-digest']
    await expect.poll(digest).toBe(second)
    expect(mirror.upstreams[0]?.breaker.state).toBe('closed')
  })

  test('while HEAD works and GET is limited', async () => {
    await using mirror = await start()
    await pull(mirror)
    upstream.setTag('a', 'v1', second)
    upstream.script = (request, response) =>
      request.method === 'GET' && answerWith(429)(request, response) !== false
    const answer = await pull(mirror)
    expect([answer.status, answer.headers['docker-content-digest']]).toEqual([200, first])
  })
})

test('a refusal keeps nothing from those who ask for what is here, and is not remembered', async () => {
  await using mirror = await start()
  await pull(mirror)
  upstream.script = answerWith(403)
  expect((await mirror.http.send(`GET /v2/a/manifests/${first}`)).status).toBe(200)
  for (let round = 1; round <= 5; round++)
    expect(refusal(await mirror.http.send(`GET /v2/a/manifests/${second}`))).toBe('403 DENIED')
  upstream.script = () => false
  expect((await mirror.http.send(`GET /v2/a/manifests/${second}`)).status).toBe(200)
  upstream.setTag('a', 'v1', second)
  expect((await pull(mirror)).headers['docker-content-digest']).toBe(second)
})

test.each<[string, Script, string]>([
  ['asked too often', answerWith(429), '429 TOOMANYREQUESTS'],
  ['broken', answerWith(500), '502 UNAVAILABLE'],
  ['refusing our credentials', answerWith(401), '403 DENIED'],
])('without a copy, a client is told that the upstream is %s', async (_, script, refused) => {
  upstream.script = script
  await using mirror = await start()
  expect(refusal(await pull(mirror))).toBe(refused)
})

test('absence is remembered for a while, a failure is not', async () => {
  upstream.setTag('a', 'v1', undefined)
  await using mirror = await start({ negativeMs: 60_000 })
  expect(refusal(await pull(mirror))).toBe('404 MANIFEST_UNKNOWN')
  expect(refusal(await pull(mirror))).toBe('404 MANIFEST_UNKNOWN')
  expect(upstream.requests).toHaveLength(1)
  await using another = await start({ negativeMs: 0 })
  upstream.script = answerWith(500)
  expect((await pull(another)).status).toBe(502)
  upstream.script = () => false
  upstream.setTag('a', 'v1', first)
  expect((await pull(another)).status).toBe(200)
})

test('a tag that the upstream has deleted stays, or goes, as is configured', async () => {
  await using keeping = await start({ whenDeleted: 'keep' })
  await using removing = await start({ whenDeleted: 'remove' })
  for (const mirror of [keeping, removing]) await pull(mirror)
  upstream.setTag('a', 'v1', undefined)
  expect((await pull(keeping)).status).toBe(200)
  expect(refusal(await pull(removing))).toBe('404 MANIFEST_UNKNOWN')
  expect((await removing.http.send(`GET /v2/a/manifests/${first}`)).status).toBe(200)
})

test.each([401, 403, 405])('an upstream that answers HEAD with %i is asked with GET', async (status) => {
  upstream.script = (request, response) =>
    request.method === 'HEAD' && answerWith(status)(request, response) !== false
  await using mirror = await start()
  expect((await pull(mirror)).headers['docker-content-digest']).toBe(first)
})

test('an upstream that names no digest is asked with GET', async () => {
  upstream.script = (request, response) => {
    if (request.method !== 'HEAD') return false
    response.writeHead(200, { 'content-type': MediaType.ociManifest }).end()
    return true
  }
  await using mirror = await start()
  expect((await pull(mirror)).headers['docker-content-digest']).toBe(first)
})

test('a manifest of another digest than was named is not taken', async () => {
  upstream.script = (request, response) => {
    if (request.method !== 'GET') return false
    response.writeHead(200, { 'content-type': MediaType.ociManifest })
    response.end(payloadOf(imageJson({ layers: [descriptorOf('another')] })))
    return true
  }
  await using mirror = await start()
  expect(refusal(await pull(mirror))).toBe('502 UNAVAILABLE')
  expect(refusal(await mirror.http.send(`GET /v2/a/manifests/${second}`))).toBe('502 UNAVAILABLE')
})

test('an answer is good for as long as is configured, and says how old it is', async () => {
  await using mirror = await start({ tagFreshMs: 60_000 })
  const status = async () => {
    const { headers } = await pull(mirror)
    return [headers['cache-status'], headers.age]
  }
  expect(await status()).toEqual(['entrepot; fwd=uri-miss; stored', '0'])
  expect(await status()).toEqual(['entrepot; hit', '0'])
  expect(upstream.seen('HEAD', /manifests/)).toHaveLength(1)
  await using asking = await start()
  await pull(asking)
  expect((await pull(asking)).headers['cache-status']).toBe('entrepot; fwd=stale; fwd-status=304')
})

test('tags are listed as the upstream has them, or as far as they are here', async () => {
  upstream.setTag('a', 'v2', second)
  const tags = async (mirror: MirrorUnderTest) => {
    const { body } = await mirror.http.send('GET /v2/a/tags/list')
    return JSON.parse(body.toString()).tags
  }
  await using cached = await start({ lists: 'cached' })
  await using asking = await start({ lists: 'upstream' })
  for (const mirror of [cached, asking]) await pull(mirror)
  expect(await tags(cached)).toEqual(['v1'])
  expect(await tags(asking)).toEqual(['v1', 'v2'])
  await upstream.stop()
  expect(await tags(asking)).toEqual(['v1'])
})
