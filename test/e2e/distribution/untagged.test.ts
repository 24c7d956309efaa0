/** Removal of untagged manifests beside that of Distribution: what Distribution would keep is kept, and it serves what is left. */
import { cp, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { describe, expect, test } from 'vitest'
import { digestOf } from '../../../src/core/digest.ts'
import { FilesystemDriver } from '../../../src/storage/filesystem.ts'
import { collect, GUARD } from '../../gc/support.ts'
import { imageOf, indexOf, type PushedManifest, push, referrerOf } from '../../gc/untagged-images.ts'
import { HttpRegistry } from '../../support/http-registry.ts'
import { writeConfig } from '../../support/registry-process.ts'
import { ServerProcess } from '../../support/server-process.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'
import { findTool, run } from '../../support/tools.ts'

const image = imageOf('image')
const index = indexOf(imageOf('child'), imageOf('other child'))
const signature = referrerOf(image, 'signature')
const untaggedIndex = indexOf(imageOf('child'), imageOf('child of nothing'))
const tagged: Readonly<Record<string, PushedManifest>> = { v1: image, multi: index, latest: imageOf('newer') }
const untagged = [imageOf('untagged'), imageOf('older'), untaggedIndex, imageOf('child of nothing')]

async function fill(registry: HttpRegistry): Promise<void> {
  for (const repository of ['a', 'b/c']) {
    for (const name of ['child', 'other child', 'child of nothing', 'untagged'])
      await push(registry, repository, { manifest: imageOf(name) })
    await push(registry, repository, { manifest: untaggedIndex })
    await push(registry, repository, { manifest: imageOf('older'), reference: 'latest' })
    for (const [reference, manifest] of Object.entries(tagged))
      await push(registry, repository, { manifest, reference })
    await push(registry, repository, { manifest: signature })
  }
}

/** Every revision and every blob that a folder has. */
async function contentOf(root: string): Promise<Set<string>> {
  const files = await readdir(join(root, 'docker/registry/v2'), { recursive: true })
  return new Set(files.filter((file) => /_manifests\/revisions\/.*\/link$|^blobs\/.*\/data$/.test(file)))
}

describe.each(['docker-registry', 'registry'])('beside %s', (tool) => {
  test.skipIf(findTool(tool) === undefined)('what it keeps is kept, and it serves that', async () => {
    await using folder = await temporaryFolder()
    const ours = join(folder.path, 'ours')
    const theirs = join(folder.path, 'theirs')
    const driver = await FilesystemDriver.open({ root: ours })
    const registry = await HttpRegistry.start({ driver, collection: GUARD })
    await fill(registry)
    await delay(20)
    await cp(ours, theirs, { recursive: true })
    const before = await contentOf(ours)
    const report = await collect(registry.registry, { untagged: true })
    expect(report).toMatchObject({ removedManifests: 2 * untagged.length, findings: [] })
    await registry.stop()
    const config = await writeConfig('theirs', { dataFolder: theirs, configFolder: folder.path })
    await run(tool, ['garbage-collect', '--delete-untagged', config], ENVIRONMENT)
    const [kept, keptByIt] = [await contentOf(ours), await contentOf(theirs)]
    expect(kept.size).toBeLessThan(before.size)
    expect([...keptByIt].filter((file) => !kept.has(file))).toEqual([])

    const served = await writeConfig('ours', { dataFolder: ours, configFolder: folder.path })
    await using distribution = await ServerProcess.start({
      file: findTool(tool) as string,
      arguments: ['serve', served],
      ...ENVIRONMENT,
      workingFolder: folder.path,
      readyUrl: (line) => {
        const address = /"?msg"?[:=]"listening on ([^"]+)"/.exec(line)?.[1]
        return address && `http://${address}`
      },
    })
    for (const repository of ['a', 'b/c']) {
      const get = async (place: string, accept: string) => {
        const answer = await fetch(`${distribution.url}/v2/${repository}/${place}`, { headers: { accept } })
        return { status: answer.status, body: Buffer.from(await answer.arrayBuffer()) }
      }
      for (const [tag, { bytes, type }] of Object.entries(tagged))
        expect(await get(`manifests/${tag}`, type)).toEqual({ status: 200, body: bytes })
      for (const { bytes, type } of [signature, imageOf('child'), imageOf('other child')])
        expect(await get(`manifests/${digestOf(bytes)}`, type)).toEqual({ status: 200, body: bytes })
      for (const { bytes, type } of untagged)
        expect((await get(`manifests/${digestOf(bytes)}`, type)).status).toBe(404)
      for (const blob of [...image.blobs, ...signature.blobs, ...imageOf('child').blobs])
        expect((await get(`blobs/${digestOf(Buffer.from(blob))}`, '*/*')).body.toString()).toBe(blob)
    }
    // Its own collection finds nothing wrong with what is left.
    await run(tool, ['garbage-collect', served], ENVIRONMENT)
    expect(await contentOf(ours)).toEqual(kept)
  })
})

const ENVIRONMENT = { environment: { OTEL_TRACES_EXPORTER: 'none' } }
