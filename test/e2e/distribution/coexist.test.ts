/** Garbage collection with quarantine on a folder that Distribution writes to meanwhile, which takes no part in it. */
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { digestOf } from '../../../src/core/digest.ts'
import { FilesystemDriver } from '../../../src/storage/filesystem.ts'
import { collect, collectorOf, GUARD } from '../../gc/support.ts'
import { imageOf } from '../../gc/untagged-images.ts'
import { HttpRegistry } from '../../support/http-registry.ts'
import { contentOf } from '../../support/oci-image.ts'
import { RegistryClient } from '../../support/registry-client.ts'
import { writeConfig } from '../../support/registry-process.ts'
import { ServerProcess } from '../../support/server-process.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'
import { findTool } from '../../support/tools.ts'

const image = imageOf('image')
const digests = image.blobs.map((blob) => digestOf(Buffer.from(blob)))
const manifest = contentOf(image.bytes, image.type)

describe.each(['docker-registry', 'registry'])('beside %s', (tool) => {
  test.skipIf(findTool(tool) === undefined)('what it acknowledges is whole after a mark', async () => {
    await using folder = await temporaryFolder()
    const data = join(folder.path, 'data')
    const options = { dataFolder: data, configFolder: folder.path, cache: 'inmemory' } as const
    await using distribution = await ServerProcess.start({
      file: findTool(tool) as string,
      arguments: ['serve', await writeConfig('theirs', options)],
      environment: { OTEL_TRACES_EXPORTER: 'none' },
      workingFolder: folder.path,
      readyUrl: (line) => {
        const address = /"?msg"?[:=]"listening on ([^"]+)"/.exec(line)?.[1]
        return address && `http://${address}`
      },
    })
    const theirs = new RegistryClient(distribution.url)
    const driver = await FilesystemDriver.open({ root: data })
    await using registry = await HttpRegistry.start({ driver, collection: GUARD, coexist: true })
    const expectWhole = async (client: RegistryClient, repository: string) => {
      for (const [index, digest] of digests.entries())
        expect((await client.blob(repository, digest))?.toString()).toBe(image.blobs[index])
      expect(await client.manifest(repository, 'v1')).toEqual(image.bytes)
    }

    // It has looked at the blobs before they are collected, and names them in a manifest just then.
    for (const blob of image.blobs) await theirs.pushBlob('a', Buffer.from(blob))
    for (const digest of digests) expect(await theirs.hasBlob('a', digest)).toBe(true)
    await delay(20)
    const collector = collectorOf(registry.registry, { coexist: true })
    for await (const step of collector.steps()) {
      if ('deleted' in step) {
        expect(await theirs.mountBlob('b', { digest: digests[1] as string, from: 'a' })).toBe(true)
        await theirs.pushManifest('a', { reference: 'v1', manifest })
      }
      await step.run()
    }
    expect(collector.report).toMatchObject({ deletedBlobs: 2, restoredBlobs: 2, findings: [] })
    await expectWhole(theirs, 'a')
    expect((await theirs.blob('b', digests[1] as string))?.toString()).toBe(image.blobs[1])

    // It goes by its cache after a collection: then it can't serve the image until the next mark, and Entrepot can.
    await theirs.deleteManifest('a', digestOf(image.bytes))
    await delay(20)
    expect(await collect(registry.registry, { coexist: true })).toMatchObject({ deletedBlobs: 3 })
    await theirs.pushManifest('a', { reference: 'v1', manifest })
    await expectWhole(registry.client, 'a')
    const { restoredBlobs, findings } = await collect(registry.registry, { coexist: true })
    expect([restoredBlobs, findings]).toEqual([0, []])
    await expectWhole(theirs, 'a')

    // The same where nobody has pulled it from Entrepot: the mark puts it back.
    await theirs.deleteManifest('a', digestOf(image.bytes))
    await delay(20)
    expect(await collect(registry.registry, { coexist: true })).toMatchObject({ deletedBlobs: 3 })
    await theirs.pushManifest('a', { reference: 'v1', manifest })
    // Of the manifest it may have written the links alone, because it takes the bytes to be there too.
    const last = await collect(registry.registry, { coexist: true })
    expect(last.restoredBlobs).toBeGreaterThanOrEqual(digests.length)
    expect(last.findings).toEqual([])
    await expectWhole(theirs, 'a')
  })
})
