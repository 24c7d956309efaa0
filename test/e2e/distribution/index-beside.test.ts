/** The index of a registry on a folder that Distribution writes to: each sweep finds what it has changed. */
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { describeWith } from '../../support/describe-with.ts'
import { startDistribution } from '../../support/distribution-process.ts'
import { startEntrepot } from '../../support/entrepot-process.ts'
import { contentOf, mediaTypes } from '../../support/oci-image.ts'
import { RegistryClient } from '../../support/registry-client.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'

const PATIENCE = { timeout: 60_000, interval: 100 }

describeWith(['docker-registry'], 'the index beside Distribution', () => {
  test('what Distribution pushes, moves and deletes is found within the sweep', async () => {
    await using folder = await temporaryFolder()
    const options = { dataFolder: join(folder.path, 'data'), configFolder: folder.path }
    await using distribution = await startDistribution({ ...options, cache: 'none' })
    const index = { path: join(folder.path, 'index.sqlite'), sweep: '1s' }
    await using entrepot = await startEntrepot({ ...options, config: { index } })
    const theirs = new RegistryClient(distribution.url)
    const config = contentOf(Buffer.from('{"os":"linux","architecture":"amd64"}'), mediaTypes.config)
    const manifest = (note: string) =>
      contentOf(
        Buffer.from(
          JSON.stringify({
            ...{ schemaVersion: 2, mediaType: mediaTypes.manifest, layers: [] },
            ...{ config: config.descriptor, annotations: { note } },
          }),
        ),
        mediaTypes.manifest,
      )
    const push = (note: string) =>
      theirs.pushManifest('theirs/app', { reference: 'v1', manifest: manifest(note) })
    const found = async () => {
      const answer = await fetch(`${entrepot.url}/v2/_entrepot/catalog/tags?q=theirs:v`)
      const { tags } = (await answer.json()) as { tags: { digest: string; platforms: string[] }[] }
      return tags.map(({ digest, platforms }) => [digest, ...platforms])
    }
    await theirs.pushBlob('theirs/app', config.bytes)
    await push('first')
    await expect.poll(found, PATIENCE).toEqual([[manifest('first').descriptor.digest, 'linux/amd64']])
    await push('second')
    await expect.poll(found, PATIENCE).toEqual([[manifest('second').descriptor.digest, 'linux/amd64']])
    await theirs.deleteManifest('theirs/app', manifest('second').descriptor.digest)
    await expect.poll(found, PATIENCE).toEqual([])
  })
})
