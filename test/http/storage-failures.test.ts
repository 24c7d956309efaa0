/** When the machine has no room or no file handle left, and when it fails. */
import { mkdir, rm, writeFile } from 'node:fs/promises'
import { dirname } from 'node:path'
import { expect, test } from 'vitest'
import { NO_CACHE } from '../../src/core/descriptor-cache.ts'
import { digestOf } from '../../src/core/digest.ts'
import { StorageError, type StorageErrorCode } from '../../src/core/errors.ts'
import { MediaType } from '../../src/core/media-type.ts'
import { FilesystemDriver } from '../../src/storage/filesystem.ts'
import { MemoryDriver } from '../../src/storage/memory.ts'
import { type DriverMethod, FaultyDriver } from '../support/faulty-driver.ts'
import { errorsOf, HttpRegistry, refusal } from '../support/http-registry.ts'
import { imageJson, payloadOf } from '../support/manifest-json.ts'
import { RecordedLog } from '../support/recorded-log.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const bytes = Buffer.from('0123456789abcdef')
const digest = digestOf(bytes)
const uploads = '/v2/a/blobs/uploads/'
const writing: readonly DriverMethod[] = ['put', 'append', 'move', 'writer.write', 'writer.sync']

/** A registry with an image, and a switch for its storage. */
async function registryOnFaultyStorage() {
  const driver = new FaultyDriver(new MemoryDriver())
  const registry = await HttpRegistry.start({ driver, cache: NO_CACHE })
  for (const name of ['config', 'layer one', 'layer two']) {
    await registry.client.pushBlob('a', Buffer.from(name))
  }
  await registry.send('PUT /v2/a/manifests/x', manifest)
  return { registry, driver }
}

const manifest = { body: payloadOf(imageJson()), headers: { 'content-type': MediaType.ociManifest } }

function failing(code: StorageErrorCode, methods: readonly DriverMethod[]) {
  return ({ method, path }: { method: DriverMethod; path: string }) =>
    methods.includes(method)
      ? new StorageError(code, { path, message: `secret of the inside: ${path}` })
      : undefined
}

test.each(writing)('a full disk, noticed by %s, stops pushes and not pulls', async (method) => {
  const { registry, driver } = await registryOnFaultyStorage()
  await using _ = registry
  driver.fault = failing('NO_SPACE', [method])
  const push = async () => {
    const begun = await registry.send(`POST ${uploads}`)
    return begun.status === 202
      ? registry.send(`PUT ${begun.headers.location}?digest=${digest}`, { body: bytes })
      : begun
  }
  expect((await push()).status).toBe(507)
  expect((await registry.send('GET /v2/a/manifests/x')).status).toBe(200)
  expect((await registry.send(`GET /v2/a/blobs/${digestOf(Buffer.from('config'))}`)).body.toString()).toBe(
    'config',
  )
  expect((await registry.send(`HEAD /v2/a/blobs/${digest}`)).status).toBe(404)
  driver.fault = () => undefined
  expect((await push()).status).toBe(201)
})

test('a full disk refuses a manifest, and a single POST leaves nothing behind', async () => {
  const { registry, driver } = await registryOnFaultyStorage()
  await using _ = registry
  driver.fault = failing('NO_SPACE', ['put'])
  expect((await registry.send('PUT /v2/a/manifests/y', manifest)).status).toBe(507)
  driver.fault = failing('NO_SPACE', ['writer.write'])
  expect((await registry.send(`POST ${uploads}?digest=${digest}`, { body: bytes })).status).toBe(507)
  driver.fault = () => undefined
  expect(await registry.client.tags('a')).toEqual(['x'])
  for await (const upload of registry.registry.uploads()) expect.fail(`${upload.id} was left`)
})

test('an upload that met a full disk goes on when there is room again', async () => {
  const { registry, driver } = await registryOnFaultyStorage()
  await using _ = registry
  const { location } = await registry.client.beginUpload('a')
  await registry.send(`PATCH ${location}`, { body: bytes.subarray(0, 8) })
  driver.fault = failing('NO_SPACE', ['writer.write'])
  const refused = await registry.send(`PATCH ${location}`, { body: bytes.subarray(8) })
  expect(refusal(refused)).toMatch(/^507 /)
  driver.fault = () => undefined
  const state = await registry.client.uploadState(location)
  expect(state?.size).toBe(8)
  await registry.client.finishUpload({ location, size: 8 }, { digest, rest: bytes.subarray(8) })
  expect((await registry.send(`GET /v2/a/blobs/${digest}`)).body).toEqual(bytes)
})

test('without a file handle a client is asked to come back', async () => {
  const { registry, driver } = await registryOnFaultyStorage()
  await using _ = registry
  const blob = digestOf(Buffer.from('config'))
  driver.fault = failing('TOO_MANY_OPEN_FILES', ['get', 'stat', 'read', 'append', 'put', 'list'])
  for (const request of [
    'GET /v2/a/manifests/x',
    `GET /v2/a/blobs/${blob}`,
    `POST ${uploads}`,
    'GET /v2/a/tags/list',
    'GET /v2/_catalog',
  ]) {
    const answer = await registry.send(request)
    expect([request, refusal(answer)]).toEqual([request, '503 UNAVAILABLE'])
    expect(Number(answer.headers['retry-after'])).toBeGreaterThan(0)
  }
  driver.fault = () => undefined
  expect((await registry.send('GET /v2/a/manifests/x')).status).toBe(200)
})

test('a blob whose file cannot be opened is an error, not a broken answer', async () => {
  const { registry, driver } = await registryOnFaultyStorage()
  await using _ = registry
  driver.fault = failing('TOO_MANY_OPEN_FILES', ['read'])
  const answer = await registry.send(`GET /v2/a/blobs/${digestOf(Buffer.from('config'))}`)
  expect(refusal(answer)).toBe('503 UNAVAILABLE')
})

test('an outage is a 500 without a word of the inside, and never a 404', async () => {
  const { registry, driver } = await registryOnFaultyStorage()
  await using _ = registry
  driver.fault = failing('BACKEND_FAILED', ['get', 'stat', 'list', 'append', 'put'])
  for (const request of [
    'GET /v2/a/manifests/x',
    `HEAD /v2/a/blobs/${digest}`,
    `POST ${uploads}`,
    'GET /v2/a/tags/list',
    'GET /v2/_catalog',
    `DELETE /v2/a/manifests/${digestOf(manifest.body)}`,
  ]) {
    const answer = await registry.send(request)
    expect([request, answer.status]).toEqual([request, 500])
    if (request.startsWith('HEAD')) continue
    expect(errorsOf(answer)).toEqual([{ code: 'UNKNOWN', message: 'unknown error' }])
  }
})

test('a download that fails midway ends short, so that the client notices', async () => {
  const recorded = await RecordedLog.start()
  const failsMidway = Object.assign(new MemoryDriver(), {
    async *read(path: string): AsyncIterable<Uint8Array> {
      yield bytes.subarray(0, 8)
      throw new StorageError('BACKEND_FAILED', { path })
    },
  })
  await using registry = await HttpRegistry.start({ driver: failsMidway, cache: NO_CACHE, log: recorded.log })
  await registry.client.pushBlob('a', bytes)
  await expect(registry.send(`GET /v2/a/blobs/${digest}`)).rejects.toThrow(/aborted|hang up|ECONNRESET/)
  await recorded.until('a response was aborted')
  expect((await registry.send('GET /v2/')).status).toBe(200)
})

test('a stray file where a folder belongs is told in words, and what it is not in the way of goes on', async () => {
  await using folder = await temporaryFolder()
  const recorded = await RecordedLog.start()
  const driver = await FilesystemDriver.open({ root: folder.path })
  await using registry = await HttpRegistry.start({ driver, log: recorded.log })
  const stray = `${folder.path}/docker/registry/v2/repositories/a/_uploads`
  await mkdir(dirname(stray), { recursive: true })
  await writeFile(stray, 'stray')
  const answer = await registry.send('POST /v2/a/blobs/uploads/')
  expect(refusal(answer)).toBe('503 UNAVAILABLE')
  expect((await registry.send('POST /v2/b/blobs/uploads/')).status).toBe(202)
  expect((await registry.send('GET /v2/a/manifests/x')).status).toBe(404)
  await rm(stray)
  expect((await registry.send('POST /v2/a/blobs/uploads/')).status).toBe(202)
  await registry.stop()
  expect(recorded.lines.filter((line) => line.includes('repositories/a/_uploads')).length).toBeGreaterThan(0)
})
