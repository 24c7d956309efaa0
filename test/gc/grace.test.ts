/** What was garbage for days is young again once somebody pushes or mounts it. */
import { readdir, utimes } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { digestOf } from '../../src/core/digest.ts'
import { FilesystemDriver } from '../../src/storage/filesystem.ts'
import { HttpRegistry } from '../support/http-registry.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'
import { collect, GUARD } from './support.ts'

const HOUR_MS = 3_600_000
const blob = Buffer.from('of no manifest')
const digest = digestOf(blob)

/** All files of a folder are two days old. */
async function age(folder: string): Promise<void> {
  const then = new Date(Date.now() - 48 * HOUR_MS)
  for (const entry of await readdir(folder, { recursive: true, withFileTypes: true }))
    if (entry.isFile()) await utimes(join(entry.parentPath, entry.name), then, then)
}

const MOUNT = `POST /v2/b/blobs/uploads/?mount=${digest}&from=a`

test.each([
  ['pushed by a process that knows it', async (one: HttpRegistry) => one.client.pushBlob('a', blob)],
  [
    'pushed by another process',
    async (_: HttpRegistry, other: HttpRegistry) => other.client.pushBlob('a', blob),
  ],
  ['mounted', async (one: HttpRegistry) => expect((await one.send(MOUNT)).status).toBe(201)],
])('an old blob that is %s stays for the grace period', async (_, renew) => {
  await using folder = await temporaryFolder()
  const driver = await FilesystemDriver.open({ root: folder.path })
  await using one = await HttpRegistry.start({ driver, collection: GUARD })
  await using other = await HttpRegistry.start({ driver, collection: GUARD })
  await one.client.pushBlob('a', blob)
  await age(folder.path)
  expect((await collect(one.registry, { graceMs: HOUR_MS, dryRun: true })).deletedBlobs).toBe(1)
  await renew(one, other)
  expect((await collect(one.registry, { graceMs: HOUR_MS })).deletedBlobs).toBe(0)
  await age(folder.path)
  expect((await collect(one.registry, { graceMs: HOUR_MS })).deletedBlobs).toBe(1)
})
