import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { describeWith } from '../../support/describe-with.ts'
import { startDistribution } from '../../support/distribution-process.ts'
import { RegistryClient } from '../../support/registry-client.ts'
import type { StartRegistry } from '../../support/registry-process.ts'
import { startRegistry as startEntrepot } from '../../support/registry-under-test.ts'
import { contentMark, filesBelow } from '../../support/storage-tree.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'
import { population, pushPopulation } from './population.ts'

/** What is left of uploads is a registry's own business: it ends with the upload, or when it is purged. So is what Entrepot
 *  keeps of deletions, and what replicas tell each other for a minute, which Distribution passes by. */
const ignored = /\/_uploads\/|\/_manifests\/\.deletions\.state\/|\/maintenance\/index-changes\//

describeWith(['docker-registry'], 'the storage of Distribution and of Entrepot', () => {
  test('is the same, byte for byte, after the same pushes and deletes', async () => {
    const trees = [
      await treeAfter(startDistribution, pushEverything),
      await treeAfter(startEntrepot, pushEverything),
    ]
    expect(trees[1]).toEqual(trees[0])
    expect(trees[0]?.size).toBeGreaterThan(2_000)
  })
})

async function pushEverything(client: RegistryClient): Promise<void> {
  await pushPopulation(population(), client)
  await pushBySha512(client)
  await pushInChunks(client)
  const digest = await client.pushBlob('other/from', Buffer.from('mounted'))
  await client.mountBlob('other/to', { digest, from: 'other/from' })
  await client.deleteBlob('other/from', digest)
}

async function pushBySha512(client: RegistryClient): Promise<void> {
  const bytes = Buffer.from('named by another algorithm')
  const digest = `sha512:${createHash('sha512').update(bytes).digest('hex')}`
  await client.finishUpload(await client.beginUpload('other/sha512'), { digest, rest: bytes })
}

async function pushInChunks(client: RegistryClient): Promise<void> {
  const halves = ['first half, ', 'second half'].map((half) => Buffer.from(half))
  const digest = `sha256:${createHash('sha256').update(Buffer.concat(halves)).digest('hex')}`
  let upload = await client.beginUpload('other/chunks')
  for (const half of halves) upload = await client.sendChunk(upload, half)
  await client.finishUpload(upload, { digest })
}

/** What stands in the folder once the registry has done its work and stopped: paths and what marks their content. */
async function treeAfter(start: StartRegistry, work: (client: RegistryClient) => Promise<void>) {
  await using folder = await temporaryFolder()
  const dataFolder = join(folder.path, 'data')
  const server = await start({ dataFolder, configFolder: folder.path })
  try {
    await work(new RegistryClient(server.url))
  } finally {
    await server.stop()
  }
  const paths = (await filesBelow(dataFolder)).filter((path) => !ignored.test(path))
  return new Map(
    await Promise.all(paths.map(async (path) => [path, await contentMark(join(dataFolder, path))] as const)),
  )
}
