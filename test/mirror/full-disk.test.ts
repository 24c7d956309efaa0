/** No room for what is on its way: nothing is lost that was there, and nothing wrong is stored. */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { refusal } from '../support/http-registry.ts'
import { startMirror } from '../support/mirror-under-test.ts'
import { ScriptedUpstream } from '../support/scripted-upstream.ts'
import { smallDisk } from '../support/small-disk.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { run } from '../support/tools.ts'

const blob = randomBytes(12 * 1024 ** 2)
const digest = digestOf(blob)
const path = `/v2/a/blobs/${digest}`

test('a blob that does not fit on the disk breaks, and comes once there is room', async ({ skip }) => {
  await using disk = await smallDisk()
  if (disk === undefined) return skip('a file system of its own can be mounted by root only')
  await using upstream = await ScriptedUpstream.start()
  upstream.addBlob(blob)
  await using mirror = await startMirror({ url: upstream.url }, { folder: disk.path })
  const { blobs } = mirror.http.registry.repository('a' as never)
  await expect(mirror.http.send(`GET ${path}`)).rejects.toThrow()
  await expect.poll(() => mirror.flights.count).toBe(0)
  expect(await blobs.has(digest)).toBe(false)
  await run('mount', ['-o', 'remount,size=64m', disk.path])
  const answer = await mirror.http.send(`GET ${path}`)
  expect([answer.status, answer.body.equals(blob)]).toEqual([200, true])
  await expect.poll(() => blobs.has(digest)).toBe(true)
  await expect.poll(() => mirror.flights.count).toBe(0)
})

test('a blob that cannot be spooled at all is refused', async () => {
  await using folder = await temporaryFolder()
  await using upstream = await ScriptedUpstream.start()
  upstream.addBlob(blob)
  await using mirror = await startMirror({ url: upstream.url }, { folder: join(folder.path, 'missing') })
  expect(refusal(await mirror.http.send(`GET ${path}`))).toBe('500 UNKNOWN')
  await expect.poll(() => mirror.flights.count).toBe(0)
})
