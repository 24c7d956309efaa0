/** No room for what is on its way: nothing is lost that was there, and nothing wrong is stored. */
import { randomBytes, randomUUID } from 'node:crypto'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { refusal } from '../support/http-registry.ts'
import { startMirror } from '../support/mirror-under-test.ts'
import { ScriptedUpstream } from '../support/scripted-upstream.ts'
import { smallDisk } from '../support/small-disk.ts'
import { run } from '../support/tools.ts'

const blob = randomBytes(12 * 1024 ** 2)
const digest = digestOf(blob)
const path = `/v2/a/blobs/${digest}`

test('a blob that does not fit on the disk is served, and stored once there is room', async ({ skip }) => {
  await using disk = await smallDisk()
  if (disk === undefined) return skip('a file system of its own can be mounted by root only')
  await using upstream = await ScriptedUpstream.start()
  upstream.addBlob(blob)
  await using mirror = await startMirror({ url: upstream.url }, { folder: disk.path })
  const { blobs } = mirror.http.registry.repository('a' as never)
  const served = await mirror.http.send(`GET ${path}`)
  expect([served.status, served.body.equals(blob)]).toEqual([200, true])
  await expect.poll(() => mirror.flights.count).toBe(0)
  expect(await blobs.has(digest)).toBe(false)
  await run('mount', ['-o', 'remount,size=64m', disk.path])
  const isStored = async () => {
    const answer = await mirror.http.send(`GET ${path}`)
    expect([answer.status, answer.body.equals(blob)]).toEqual([200, true])
    return blobs.has(digest)
  }
  await expect.poll(isStored, { timeout: 60_000, interval: 1_000 }).toBe(true)
  await expect.poll(() => mirror.flights.count).toBe(0)
})

describe('a blob that cannot be spooled at all', () => {
  let upstream: ScriptedUpstream
  beforeEach(async () => {
    upstream = await ScriptedUpstream.start()
    upstream.addBlob(blob)
  })
  afterEach(() => upstream.stop())

  const start = () =>
    startMirror({ url: upstream.url }, { folder: join(tmpdir(), `entrepot-missing-${randomUUID()}`) })

  test('is served without being stored', async () => {
    await using mirror = await start()
    for (const gets of [2, 3]) {
      const answer = await mirror.http.send(`GET ${path}`)
      expect([answer.status, answer.body.equals(blob)]).toEqual([200, true])
      await expect.poll(() => mirror.flights.count).toBe(0)
      // For some seconds no other flight is tried.
      expect(upstream.seen('GET', /blobs/)).toHaveLength(gets)
    }
    const part = await mirror.http.send(`GET ${path}`, { headers: { range: 'bytes=1000-1999' } })
    expect([part.status, part.body.equals(blob.subarray(1000, 2000))]).toEqual([206, true])
  })

  test('never completes with wrong bytes', async () => {
    const wrong = Buffer.from(blob)
    wrong[10] = (wrong[10] ?? 0) ^ 1
    upstream.script = (request, response) => {
      if (request.method !== 'GET' || !request.url?.includes('/blobs/')) return false
      response.writeHead(200, { 'content-length': wrong.length }).end(wrong)
      return true
    }
    await using mirror = await start()
    await expect(mirror.http.send(`GET ${path}`)).rejects.toThrow()
  })

  test('is 507 if its size is unknown', async () => {
    upstream.script = (request, response) => {
      if (!request.url?.includes('/blobs/')) return false
      if (request.method === 'HEAD') response.writeHead(405).end()
      else response.end(blob)
      return true
    }
    await using mirror = await start()
    expect(refusal(await mirror.http.send(`GET ${path}`))).toMatch(/^507 /)
  })
})
