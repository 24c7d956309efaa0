/** Manifests of up to 4 MiB, whatever is in them: they are taken, and what the worst of them costs is bounded. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { describe, expect, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { MAX_MANIFEST_BYTES, MAX_MISSING_REFERENCES } from '../../src/core/manifest/limits.ts'
import { MediaType } from '../../src/core/media-type.ts'
import { MemoryDriver } from '../../src/storage/memory.ts'
import { FaultyDriver } from '../support/faulty-driver.ts'
import { errorsOf, HttpRegistry, refusal } from '../support/http-registry.ts'
import { descriptorOf, imageJson, indexJson, payloadOf } from '../support/manifest-json.ts'

const layer = { mediaType: 'a/b', digest: digestOf(Buffer.from('layer')), size: 5 }

async function start(driver = new MemoryDriver()) {
  const registry = await HttpRegistry.start({ driver })
  for (const name of ['config', 'layer']) await registry.client.pushBlob('a', Buffer.from(name))
  return registry
}

function put(registry: HttpRegistry, body: Uint8Array | string, contentType: string = MediaType.ociManifest) {
  return registry.send('PUT /v2/a/manifests/x', { body, headers: { 'content-type': contentType } })
}

/** As many of these as fit. */
function filled(before: string, entry: (index: number) => string, after: string): string {
  const entries: string[] = []
  let length = before.length + after.length
  for (;;) {
    const next = entry(entries.length)
    length += next.length + 1
    if (length > MAX_MANIFEST_BYTES) return before + entries.join(',') + after
    entries.push(next)
  }
}

const [imageBefore = '', imageAfter = ''] = JSON.stringify(imageJson({ layers: ['X'] })).split('"X"')

const sha256 = (index: number) => `sha256:${String(index).padStart(64, '0')}`
const worst: [string, number, string][] = [
  ['one layer again and again', 201, filled(imageBefore, () => JSON.stringify(layer), imageAfter)],
  [
    'layers that are not there',
    400,
    filled(imageBefore, (index) => JSON.stringify({ ...layer, digest: sha256(index) }), imageAfter),
  ],
  [
    'layers with annotations',
    201,
    filled(
      imageBefore,
      (index) => JSON.stringify({ ...layer, annotations: { title: `src/${index}` } }),
      imageAfter,
    ),
  ],
  [
    'URLs',
    400,
    filled(
      `${imageBefore}{"mediaType":"application/vnd.oci.image.layer.v1.tar","digest":"${sha256(0)}","size":1,"urls":[`,
      (index) => `"http://a/${index}"`,
      `]}${imageAfter}`,
    ),
  ],
  ['keys', 400, filled('{', (index) => `"k${index}":0`, '}')],
  ['keys that are numbers', 400, filled('{', (index) => `"${index * 7_919}":0`, '}')],
  ['objects', 400, filled('[', () => '{}', ']')],
]

describe('of 4 MiB', () => {
  test.each(worst)('%s', async (_name, status, body) => {
    setFlagsFromString('--expose-gc')
    const collectGarbage = runInNewContext('gc') as () => void
    await using registry = await start()
    collectGarbage()
    const before = process.memoryUsage().rss
    const cpuBefore = process.cpuUsage()
    const answer = await put(registry, body)
    const { user, system } = process.cpuUsage(cpuBefore)
    const bytes = process.memoryUsage().rss - before
    expect(answer.status).toBe(status)
    expect((user + system) / 1000).toBeLessThan(3_000)
    expect(bytes).toBeLessThan(200e6)
  })
})

test('what is referred to many times is looked up once', async () => {
  const driver = new FaultyDriver(new MemoryDriver())
  await using registry = await start(driver as never)
  driver.forget()
  const layers = Array.from({ length: 5_000 }, (_, index) => ({
    ...layer,
    annotations: { file: `${index}` },
  }))
  expect((await put(registry, payloadOf(imageJson({ layers })))).status).toBe(201)
  expect(driver.calls.length).toBeLessThan(50)
  const child = payloadOf(imageJson({ layers: [layer] }))
  expect((await put(registry, child)).status).toBe(201)
  const entry = { mediaType: MediaType.ociManifest, digest: digestOf(child), size: child.length }
  const manifests = Array.from({ length: 5_000 }, (_, index) => ({
    ...entry,
    annotations: { i: `${index}` },
  }))
  expect((await put(registry, payloadOf(indexJson({ manifests })), MediaType.ociIndex)).status).toBe(201)
})

test('so many missing references are told, and no more looked for', async () => {
  const driver = new FaultyDriver(new MemoryDriver())
  await using registry = await start(driver as never)
  driver.forget()
  const layers = Array.from({ length: 5_000 }, (_, index) => descriptorOf(`missing ${index}`))
  const answer = await put(registry, payloadOf(imageJson({ layers })))
  expect(refusal(answer)).toMatch(/^400 MANIFEST_BLOB_UNKNOWN/)
  expect(errorsOf(answer)).toHaveLength(MAX_MISSING_REFERENCES)
  // The link of each, and the bytes of each.
  expect(driver.calls.length).toBeLessThan(2.2 * MAX_MISSING_REFERENCES)
})
