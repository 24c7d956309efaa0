/** Eviction as a running server does it, by its clock. */
import { randomBytes } from 'node:crypto'
import { buffer } from 'node:stream/consumers'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { type Mirrors, openMirrors } from '../../src/app/mirrors.ts'
import { loadConfig } from '../../src/config/load.ts'
import { digestOf } from '../../src/core/digest.ts'
import { DEFAULT_POLICY } from '../../src/core/manifest/policy.ts'
import { MediaType } from '../../src/core/media-type.ts'
import { StoredRegistry } from '../../src/registry/registry.ts'
import { MemoryDriver } from '../../src/storage/memory.ts'
import { quiet } from '../support/http-registry.ts'
import { descriptorOf, imageJson, payloadOf } from '../support/manifest-json.ts'
import { name } from '../support/mirror-under-test.ts'
import { ScriptedUpstream } from '../support/scripted-upstream.ts'

const MINUTE_MS = 60_000
const LAYER_BYTES = 50_000
const repository = name('hub/a')

let upstream: ScriptedUpstream
beforeEach(async () => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date'] })
  upstream = await ScriptedUpstream.start()
})
afterEach(async () => {
  await upstream.stop()
  vi.useRealTimers()
})

async function start(mirror: object) {
  const file = JSON.stringify({
    version: 0.1,
    storage: { inmemory: null },
    mirrors: [{ upstream: upstream.url, prefix: 'hub', ...mirror }],
  })
  const { config } = loadConfig({ path: 'config.yml', env: {}, readFile: () => file })
  const stored = new StoredRegistry({ driver: new MemoryDriver(), policy: DEFAULT_POLICY, log: quiet })
  const others = { metrics: undefined, tracing: undefined, workerGroup: undefined, log: quiet }
  const mirrors = await openMirrors(config, stored, others)
  const { tags, blobs } = stored.repository(repository)
  const cachedTags = () => listed(tags.all())
  const cachedBlobs = async () => (await listed(blobs.all())).length
  return {
    ...{ mirrors, cachedTags, cachedBlobs },
    async [Symbol.asyncDispose]() {
      await mirrors.close()
      await stored.close()
    },
  }
}

async function listed<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const all: Item[] = []
  for await (const item of items) all.push(item)
  return all
}

/** Pulls an image with a layer of its own, and waits until that is stored. */
async function pull({ registry }: Mirrors, cachedBlobs: () => Promise<number>, tag: string): Promise<void> {
  const layer = randomBytes(LAYER_BYTES)
  const digest = digestOf(layer)
  upstream.addBlob(layer)
  const layers = [descriptorOf('', { digest, size: layer.length })]
  const payload = Buffer.from(payloadOf(imageJson({ layers })))
  upstream.setTag('a', tag, upstream.addManifest(payload, MediaType.ociManifest))
  const { tags, manifests, blobs } = registry.repository(repository)
  const before = await cachedBlobs()
  await manifests.get(await tags.get(tag as never))
  expect((await buffer((await blobs.open(digest)).read())).equals(layer)).toBe(true)
  await vi.waitFor(async () => expect(await cachedBlobs()).toBe(before + 1))
}

test('content that nobody has used for the ttl goes', async () => {
  await using server = await start({ ttl: '2h' })
  const { mirrors, cachedTags, cachedBlobs } = server
  await pull(mirrors, cachedBlobs, 'v1')
  await vi.advanceTimersByTimeAsync(110 * MINUTE_MS)
  expect([await cachedTags(), await cachedBlobs()]).toEqual([['v1'], 1])
  await vi.advanceTimersByTimeAsync(90 * MINUTE_MS)
  await vi.waitFor(async () => expect([await cachedTags(), await cachedBlobs()]).toEqual([[], 0]))
  expect(mirrors.figures[0]?.evictedManifests).toBe(1)
})

test('after much was fetched room is made before the hour is over', async () => {
  await using server = await start({ ttl: '0', maxsize: `${3 * LAYER_BYTES}` })
  const { mirrors, cachedTags, cachedBlobs } = server
  await pull(mirrors, cachedBlobs, 'v1')
  await vi.advanceTimersByTimeAsync(10 * MINUTE_MS)
  for (const tag of ['v2', 'v3', 'v4']) await pull(mirrors, cachedBlobs, tag)
  await vi.advanceTimersByTimeAsync(10 * MINUTE_MS)
  await vi.waitFor(async () => expect(await cachedBlobs()).toBe(2))
  expect(await cachedTags()).not.toContain('v1')
})
