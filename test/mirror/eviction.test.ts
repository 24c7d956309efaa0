/** What becomes of content that nobody asks for, and of content for which there is no room. */
import { randomBytes } from 'node:crypto'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { openUndiciConnections } from '../../src/client/http/undici-connections.ts'
import { RegistryClient } from '../../src/client/registry-client.ts'
import { digestOf } from '../../src/core/digest.ts'
import { MediaType } from '../../src/core/media-type.ts'
import { Evictor } from '../../src/mirror/eviction/evictor.ts'
import { Usage } from '../../src/mirror/eviction/usage.ts'
import type { MirrorSettings } from '../../src/mirror/upstream/settings.ts'
import { Upstream } from '../../src/mirror/upstream/upstream.ts'
import { quiet } from '../support/http-registry.ts'
import { descriptorOf, imageJson, payloadOf } from '../support/manifest-json.ts'
import { type MirrorUnderTest, name, startMirror } from '../support/mirror-under-test.ts'
import { ScriptedUpstream } from '../support/scripted-upstream.ts'

const HOUR_MS = 3_600_000
const shared = randomBytes(1_000)
const base = digestOf(shared)

let upstream: ScriptedUpstream
beforeEach(async () => {
  upstream = await ScriptedUpstream.start()
  upstream.addBlob(shared)
  upstream.addBlob(Buffer.from('config'))
})
afterEach(() => upstream.stop())

interface Image {
  readonly manifest: string
  readonly layer: string
}

/** An image with a layer that others have, too. */
function addImage(tag: string, bytes: number): Image {
  const layer = randomBytes(bytes)
  const layers = [layer, shared].map((one) => descriptorOf('', { digest: digestOf(one), size: one.length }))
  const manifest = upstream.addManifest(Buffer.from(payloadOf(imageJson({ layers }))), MediaType.ociManifest)
  upstream.setTag('a', tag, manifest)
  return { manifest, layer: upstream.addBlob(layer) }
}

async function pull(mirror: MirrorUnderTest, tag: string, { layer }: Image): Promise<void> {
  expect((await mirror.http.send(`GET /v2/a/manifests/${tag}`)).status).toBe(200)
  for (const digest of [layer, base])
    expect((await mirror.http.send(`GET /v2/a/blobs/${digest}`)).status).toBe(200)
  await expect.poll(() => mirror.flights.count).toBe(0)
}

const start = (settings: Partial<MirrorSettings>) => startMirror({ url: upstream.url, settings })

/** One process's evictor, at a time of its own. */
function evictorOf(mirror: MirrorUnderTest, now: () => number, usage = mirror.usage): Evictor {
  const { registry, driver: storage } = mirror.http
  return new Evictor({ registry, storage, upstreams: mirror.upstreams, usage, log: quiet, now })
}

/** As another process has used content. */
async function note(mirror: MirrorUnderTest, file: string, uses: Record<string, number>): Promise<void> {
  const path = `/docker/registry/v2/mirror/access/notes/${file}`
  await mirror.http.driver.put(path, Buffer.from(JSON.stringify(uses)))
}

async function contentOf(mirror: MirrorUnderTest): Promise<string[]> {
  const { blobs, manifests } = mirror.http.registry.repository(name('a'))
  const found: string[] = []
  for await (const digest of blobs.all()) found.push(digest)
  for await (const digest of manifests.all()) found.push(digest)
  return found.sort()
}

test('content goes when nobody has used it for as long as is configured, and shared blobs stay', async () => {
  const [old, recent] = [addImage('old', 10_000), addImage('new', 10_000)]
  await using mirror = await start({ ttlMs: HOUR_MS })
  for (const [tag, image] of Object.entries({ old, new: recent })) await pull(mirror, tag, image)
  let now = Date.now()
  const evictor = evictorOf(mirror, () => now)
  expect(await evictor.evict()).toBe(0)
  now += HOUR_MS - 1_000
  await note(mirror, 'x', { [`a@${recent.manifest}`]: now })
  now += 120_000
  expect(await evictor.evict()).toBe(2)
  expect(await contentOf(mirror)).toEqual([recent.manifest, recent.layer, base].sort())
  await pull(mirror, 'old', old)
})

test('a ttl that was changed counts for what is here already, and use begins it anew', async () => {
  const image = addImage('v1', 10_000)
  await using mirror = await start({ ttlMs: 100 * HOUR_MS })
  await pull(mirror, 'v1', image)
  const at = Date.now()
  expect(await evictorOf(mirror, () => at).evict()).toBe(0)
  /** The evictor of a process that was started later, with another ttl. */
  const restarted = (ttlMs: number, now: number) => {
    const upstreams = mirror.upstreams.map(
      (one) =>
        new Upstream(
          new RegistryClient({ url: upstream.url, userAgent: 'x', openConnections: openUndiciConnections }),
          { ...one.settings, ttlMs },
        ),
    )
    const { registry, driver: storage } = mirror.http
    return new Evictor({ registry, storage, upstreams, usage: new Usage(), log: quiet, now: () => now })
  }
  expect(await restarted(10 * HOUR_MS, at + 9 * HOUR_MS).evict()).toBe(0)
  await note(mirror, 'x', { [`a@${image.manifest}`]: at + 9 * HOUR_MS })
  expect(await restarted(10 * HOUR_MS, at + 18 * HOUR_MS).evict()).toBe(0)
  expect(await restarted(0, at + 1_000 * HOUR_MS).evict()).toBe(0)
  expect(await restarted(2 * HOUR_MS, at + 18 * HOUR_MS).evict()).toBe(3)
  expect(await contentOf(mirror)).toEqual([])
})

test('what is used least recently makes room, and no more than is needed', async () => {
  const images = Object.fromEntries(
    ['one', 'two', 'three'].map((tag) => [tag, addImage(tag, 30_000)]),
  ) as Record<string, Image>
  await using mirror = await start({ maxBytes: 100_000 })
  let now = 1_000
  const evictor = evictorOf(mirror, () => now)
  for (const [tag, image] of Object.entries(images)) await pull(mirror, tag, image)
  mirror.usage.take()
  for (const tag of ['two', 'one', 'three']) {
    now += 1_000
    await note(mirror, tag, { [`a@${images[tag]?.manifest}`]: now })
  }
  await evictor.evict()
  expect(await contentOf(mirror)).toEqual(
    [base, ...['one', 'three'].flatMap((tag) => Object.values(images[tag] as Image))].sort(),
  )
  expect(mirror.upstreams[0]?.figures.bytes).toBe(61_000)
})

test('what one process uses, another does not evict', async () => {
  const image = addImage('v1', 10_000)
  await using mirror = await start({ ttlMs: HOUR_MS })
  await pull(mirror, 'v1', image)
  let now = Date.now()
  const one = evictorOf(mirror, () => now)
  const otherUsage = new Usage()
  const other = evictorOf(mirror, () => now, otherUsage)
  await one.evict()
  now += 2 * HOUR_MS
  await note(mirror, 'other', { [`a@${image.manifest}`]: now })
  expect(await other.evict()).toBe(0)
  expect(await one.evict()).toBe(0)
})

test('of several processes one evicts at a time', async () => {
  await using mirror = await start({ ttlMs: HOUR_MS })
  const image = addImage('v1', 1_000)
  await pull(mirror, 'v1', image)
  const evictors = [evictorOf(mirror, Date.now), evictorOf(mirror, Date.now)]
  for (const evictor of evictors) await evictor.evictInTurn()
  expect(await contentOf(mirror)).toHaveLength(3)
})

test('damaged notes, and a blob that no manifest names, end nothing', async () => {
  await using mirror = await start({ ttlMs: HOUR_MS })
  await mirror.http.send(`GET /v2/a/blobs/${base}`)
  await expect.poll(() => mirror.flights.count).toBe(0)
  await mirror.http.driver.put('/docker/registry/v2/mirror/access/notes/x', Buffer.from('{"a@'))
  let now = Date.now()
  const evictor = evictorOf(mirror, () => now)
  expect(await evictor.evict()).toBe(0)
  now += 2 * HOUR_MS
  expect(await evictor.evict()).toBe(1)
  expect(await contentOf(mirror)).toEqual([])
})
