/** A history beside Distribution on one folder: it serves what is restored, and its collector takes no notice of the history. */
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { digestOf } from '../../../src/core/digest.ts'
import { FilesystemDriver } from '../../../src/storage/filesystem.ts'
import { imageOf, push } from '../../gc/untagged-images.ts'
import { changesOf, deletionsOf, restore, startWithHistory } from '../../lifecycle/history-under-test.ts'
import { startDistribution } from '../../support/distribution-process.ts'
import { writeConfig } from '../../support/registry-process.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'
import { findTool, run } from '../../support/tools.ts'

const ENVIRONMENT = { environment: { OTEL_TRACES_EXPORTER: 'none' } }

async function filesOf(root: string): Promise<string[]> {
  const entries = await readdir(join(root, 'docker/registry/v2/lifecycle'), {
    recursive: true,
    withFileTypes: true,
  })
  return entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name))
}

describe.each(['docker-registry', 'registry'])('beside %s', (tool) => {
  test.skipIf(findTool(tool) === undefined)(
    'restored images are served, and nothing is in its way',
    async () => {
      await using folder = await temporaryFolder()
      const dataFolder = join(folder.path, 'data')
      const options = { dataFolder, configFolder: folder.path }
      await using registry = await startWithHistory({
        driver: await FilesystemDriver.open({ root: dataFolder }),
      })
      const [image, other] = [imageOf('image'), imageOf('other')]
      await push(registry, 'a', { manifest: image, reference: 'v1' })
      await push(registry, 'a', { manifest: other, reference: 'v2' })
      await push(registry, 'b/c', { manifest: image, reference: 'v1' })
      await registry.send('DELETE /v2/a/manifests/v1')
      await registry.send(`DELETE /v2/a/manifests/${digestOf(other.bytes)}`)
      await registry.send('DELETE /v2/b/c/_entrepot/repository')
      const before = await filesOf(dataFolder)
      {
        await using theirs = await startDistribution(options, tool)
        const get = (path: string) => fetch(`${theirs.url}/v2/${path}`)
        for (const name of ['a/manifests/v1', 'a/manifests/v2', 'b/c/manifests/v1'])
          expect([name, (await get(name)).status]).toEqual([name, 404])
        for (const repository of ['a', 'b/c'])
          for (const { id } of await deletionsOf(registry, repository))
            expect((await restore(registry, repository, { id })).status).toBe(200)
        for (const [name, { bytes }] of [
          ['a/manifests/v1', image],
          ['a/manifests/v2', other],
          ['b/c/manifests/v1', image],
        ] as const) {
          const answer = await fetch(`${theirs.url}/v2/${name}`, { headers: { accept: image.type } })
          expect([name, digestOf(new Uint8Array(await answer.arrayBuffer()))]).toEqual([
            name,
            digestOf(bytes),
          ])
        }
        const body = new Uint8Array(image.bytes)
        const headers = { 'content-type': image.type }
        const put = await fetch(`${theirs.url}/v2/a/manifests/theirs`, { method: 'PUT', headers, body })
        expect(put.status).toBe(201)
      }
      expect((await changesOf(registry, 'a')).map(({ tag }) => tag)).not.toContain('theirs')
      await registry.send('DELETE /v2/a/manifests/theirs')
      expect(
        (await changesOf(registry, 'a', '?tag=theirs')).map(({ action, from }) => [action, from]),
      ).toEqual([['removed', digestOf(image.bytes)]])
      const after = await filesOf(dataFolder)
      expect(after.length).toBeGreaterThan(before.length - 3)
      await registry.stop()
      const config = await writeConfig('theirs', options)
      await run(tool, ['garbage-collect', config], ENVIRONMENT)
      expect(await filesOf(dataFolder)).toEqual(after)
    },
  )
})
