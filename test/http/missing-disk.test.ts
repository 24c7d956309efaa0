/** The disk of the root directory is unmounted while the registry runs: the bare mount point stands in its place, or nothing. */
import { mkdir, readdir, rename, rm } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { NO_CACHE } from '../../src/core/descriptor-cache.ts'
import { digestOf } from '../../src/core/digest.ts'
import { FilesystemDriver } from '../../src/storage/filesystem.ts'
import { HttpRegistry } from '../support/http-registry.ts'
import { gzippedLayer, imageOf } from '../support/oci-image.ts'
import { temporaryFolder } from '../support/temporary-folder.ts'

const unknown = digestOf(Buffer.from('never pushed'))

test.each([
  { what: 'the bare mount point', readOnly: false, isBare: true },
  { what: 'the bare mount point, and it is only read', readOnly: true, isBare: true },
  { what: 'nothing', readOnly: false, isBare: false },
])('$what stands there: 503 until the disk is back, and nothing is written', async ({ readOnly, isBare }) => {
  await using folder = await temporaryFolder()
  const root = `${folder.path}/root`
  const layer = gzippedLayer([{ path: 'a', content: 'content' }])
  const image = imageOf([layer])
  {
    const driver = await FilesystemDriver.open({ root })
    await using registry = await HttpRegistry.start({ driver })
    await registry.client.pushImage('a', { tag: 'latest', image })
  }
  const driver = await FilesystemDriver.open({ root, readOnly })
  await using registry = await HttpRegistry.start({ driver, cache: NO_CACHE })
  const reads = [
    'GET /v2/a/manifests/latest',
    `GET /v2/a/manifests/${image.manifest.descriptor.digest}`,
    `GET /v2/a/blobs/${layer.descriptor.digest}`,
    `HEAD /v2/a/blobs/${unknown}`,
    'GET /v2/a/tags/list',
    `GET /v2/a/referrers/${unknown}`,
    'GET /v2/_catalog',
  ]
  const writes = [
    'POST /v2/a/blobs/uploads/',
    `POST /v2/b/blobs/uploads/?mount=${layer.descriptor.digest}&from=a`,
    `DELETE /v2/a/manifests/${image.manifest.descriptor.digest}`,
    `DELETE /v2/a/blobs/${layer.descriptor.digest}`,
  ]
  const before = await Promise.all(reads.map(async (read) => (await registry.send(read)).status))
  await rename(root, `${folder.path}/disk`)
  if (isBare) await mkdir(root)
  for (const request of [...reads, ...writes])
    expect({ request, status: (await registry.send(request)).status }).toEqual({ request, status: 503 })
  if (isBare) expect(await readdir(root)).toEqual([])
  await rm(root, { recursive: true, force: true })
  await rename(`${folder.path}/disk`, root)
  expect(await Promise.all(reads.map(async (read) => (await registry.send(read)).status))).toEqual(before)
  expect((await registry.send('POST /v2/a/blobs/uploads/')).status).toBe(202)
})
