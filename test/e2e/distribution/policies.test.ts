/** All policies on a folder that Distribution has filled, serves and goes on to fill. */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { ageTag, DAY_MS } from '../../lifecycle/aged-tags.ts'
import { runEntrepot } from '../../support/command.ts'
import { startDistribution } from '../../support/distribution-process.ts'
import { startEntrepot } from '../../support/entrepot-process.ts'
import { gzippedLayer, type Image, imageOf, indexOf } from '../../support/oci-image.ts'
import { RegistryClient } from '../../support/registry-client.ts'
import { writeConfig } from '../../support/registry-process.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'
import { findTool, run } from '../../support/tools.ts'

const NAME = 'team/app'
const policies = {
  immutable: [{ repositories: ['**'], tags: ['v*'] }],
  history: { enabled: true },
  pulls: { enabled: true },
  usage: { enabled: true },
  quotas: [{ organisation: 'team', bytes: '1GiB', tags: 100 }],
  retention: {
    schedule: 'never',
    rules: [
      { repositories: ['**'], tags: ['pr-*', 'v*'], keep: { newest: 1 }, delete: { olderthan: '24h' } },
    ],
  },
}

const images = new Map<string, Image>(
  ['pr-1', 'pr-2', 'pr-3', 'v1', 'v2'].map((tag) => [
    tag,
    imageOf([gzippedLayer([{ path: 'all' }]), gzippedLayer([{ path: tag }])]),
  ]),
)
const index = indexOf([{ image: images.get('pr-1')!, platform: { os: 'linux', architecture: 'amd64' } }])

describe.each(['docker-registry', 'registry'])('beside %s', (tool) => {
  test.skipIf(findTool(tool) === undefined)(
    'what it wrote is governed, and what stays is whole',
    async () => {
      await using folder = await temporaryFolder()
      const dataFolder = join(folder.path, 'data')
      const options = { dataFolder, configFolder: folder.path }
      await using theirs = await startDistribution({ ...options, cache: 'none' }, tool)
      const client = new RegistryClient(theirs.url)
      for (const [tag, image] of images) await client.pushImage(NAME, { tag, image })
      await client.pushIndex(NAME, { tag: 'latest', index })
      for (const [count, tag] of [...images.keys()].entries())
        await ageTag(dataFolder, `${NAME}:${tag}`, (20 - count) * DAY_MS)

      await using ours = await startEntrepot({ ...options, config: { policies } })
      const moved = await fetch(`${ours.url}/v2/${NAME}/manifests/v1`, {
        method: 'PUT',
        headers: { 'content-type': images.get('v2')!.manifest.descriptor.mediaType },
        body: new Uint8Array(images.get('v2')!.manifest.bytes),
      })
      expect(moved.status).toBe(409)
      const file = join(folder.path, 'policies.yml')
      const storage = { filesystem: { rootdirectory: dataFolder } }
      await writeFile(file, JSON.stringify({ version: 0.1, storage, policies }))
      expect(await runEntrepot(['retention', 'run', file, '--quiet'])).toMatchObject({
        ...{ code: 0, stderr: '' },
        stdout: expect.stringMatching(/^2 of 6 tags in 1 repositories removed/),
      })
      const usage = await runEntrepot(['usage', file, '--count', '--json'])
      expect(JSON.parse(usage.stdout.split('\n')[1] ?? '')).toMatchObject({ name: NAME, tags: 4 })

      const left = ['pr-3', 'v1', 'v2']
      const expectWhole = async () => {
        expect((await client.tags(NAME))?.toSorted()).toEqual(['latest', ...left])
        for (const tag of left) {
          const { manifest, config, layers } = images.get(tag)!
          expect(await client.manifest(NAME, tag)).toEqual(manifest.bytes)
          for (const { descriptor, bytes } of [config, ...layers])
            expect(await client.blob(NAME, descriptor.digest)).toEqual(bytes)
        }
        expect(await client.manifest(NAME, 'latest')).toEqual(index.manifest.bytes)
      }
      await expectWhole()
      // It sets what was removed, deletes, and collects.
      await client.pushImage(NAME, { tag: 'pr-1', image: images.get('pr-1')! })
      await client.deleteManifest(NAME, images.get('pr-1')!.manifest.descriptor.digest)
      await run(tool, ['garbage-collect', await writeConfig('theirs', options)], {
        environment: { OTEL_TRACES_EXPORTER: 'none' },
      })
      expect((await client.tags(NAME))?.toSorted()).toEqual(['latest', ...left])
      const undone = await runEntrepot(['repository', 'restore', NAME, file, '--json'])
      expect(JSON.parse(undone.stdout)).toMatchObject({ tags: [{ tag: 'pr-2' }], lost: [] })
      expect(await client.manifest(NAME, 'pr-2')).toEqual(images.get('pr-2')!.manifest.bytes)
    },
  )
})
