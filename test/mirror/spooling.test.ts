/** Spool files in the folder of the storage: the file that was received becomes the blob. */
import { randomBytes } from 'node:crypto'
import { readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { removeAbandonedSpools, SPOOL } from '../../src/lib/files/spool-file.ts'
import { newMark } from '../../src/lib/process-identity.ts'
import { FilesystemDriver } from '../../src/storage/filesystem.ts'
import { startMirror } from '../support/mirror-under-test.ts'
import { ScriptedUpstream } from '../support/scripted-upstream.ts'
import { type TemporaryFolder, temporaryFolder } from '../support/temporary-folder.ts'

const blob = randomBytes(2_000_000)
const digest = digestOf(blob)
const path = `/v2/a/blobs/${digest}`

let folder: TemporaryFolder
let upstream: ScriptedUpstream
beforeEach(async () => {
  folder = await temporaryFolder()
  upstream = await ScriptedUpstream.start()
  upstream.addBlob(blob)
})
afterEach(async () => {
  await upstream.stop()
  await folder.remove()
})

const start = () =>
  startMirror(
    { url: upstream.url },
    { driver: new FilesystemDriver({ root: folder.path }), folder: folder.path, isStorage: true },
  )

const spools = async () => (await readdir(folder.path)).filter((name) => name.startsWith(SPOOL))

test('the bytes are written once: the spool file becomes the blob', async () => {
  const rest = Promise.withResolvers<void>()
  upstream.script = (request, response) => {
    if (request.method !== 'GET' || !request.url?.includes('/blobs/')) return false
    response.writeHead(200, { 'content-length': blob.length }).write(blob.subarray(0, 1_500_000))
    void rest.promise.then(() => response.end(blob.subarray(1_500_000)))
    return true
  }
  await using mirror = await start()
  const answer = mirror.http.send(`GET ${path}`)
  await expect.poll(spools, { timeout: 10_000 }).toHaveLength(1)
  const { ino } = await stat(join(folder.path, (await spools())[0]!))
  rest.resolve()
  expect((await answer).body.equals(blob)).toBe(true)
  await expect.poll(() => mirror.flights.count, { timeout: 10_000 }).toBe(0)
  expect(await spools()).toEqual([])
  const hex = digest.slice('sha256:'.length)
  const stored = join(folder.path, 'docker/registry/v2/blobs/sha256', hex.slice(0, 2), hex, 'data')
  expect((await stat(stored)).ino).toBe(ino)
  expect((await mirror.http.send(`GET ${path}`)).body.equals(blob)).toBe(true)
})

test('wrong bytes leave no file', async () => {
  const wrong = Buffer.from(blob)
  wrong[10] = (wrong[10] ?? 0) ^ 1
  upstream.script = (request, response) => {
    if (request.method !== 'GET' || !request.url?.includes('/blobs/')) return false
    response.writeHead(200, { 'content-length': blob.length }).end(wrong)
    return true
  }
  await using mirror = await start()
  await expect(mirror.http.send(`GET ${path}`)).rejects.toThrow()
  await expect.poll(() => mirror.flights.count, { timeout: 10_000 }).toBe(0)
  await expect.poll(spools, { timeout: 10_000 }).toEqual([])
  expect(await mirror.http.registry.repository('a' as never).blobs.has(digest)).toBe(false)
})

test('files of processes that have ended are removed; those of running ones stay', async () => {
  const own = `${SPOOL}${newMark()}`
  // No process has this number.
  const abandoned = own.replace(`-${process.pid}-`, '-999999999-')
  await writeFile(join(folder.path, own), '')
  await writeFile(join(folder.path, abandoned), '')
  await removeAbandonedSpools(folder.path)
  expect(await spools()).toEqual([own])
  await removeAbandonedSpools(join(folder.path, 'missing'))
})
