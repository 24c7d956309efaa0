import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { describeWith } from '../../support/describe-with.ts'
import { startDistribution } from '../../support/distribution-process.ts'
import { gzippedLayer, imageOf } from '../../support/oci-image.ts'
import { RegistryClient } from '../../support/registry-client.ts'
import type { StartRegistry } from '../../support/registry-process.ts'
import { startRegistry as startEntrepot } from '../../support/registry-under-test.ts'
import type { ServerProcess } from '../../support/server-process.ts'
import { type TemporaryFolder, temporaryFolder } from '../../support/temporary-folder.ts'
import { expectImageServed, expectListed, expectServed, population, pushPopulation } from './population.ts'

/** Two registries run over one folder. Neither keeps anything in memory (the cache is off), so each sees what the
 *  other one changes. */
describeWith(['docker-registry'], 'one folder under Distribution and Entrepot', () => {
  describe('what Distribution wrote, for Entrepot', () => {
    oneReadsTheOther({ startWriter: startDistribution, startReader: startEntrepot })
  })
  describe('what Entrepot wrote, for Distribution', () => {
    oneReadsTheOther({ startWriter: startEntrepot, startReader: startDistribution })
  })
})

interface Pair {
  readonly startWriter: StartRegistry
  readonly startReader: StartRegistry
}

function oneReadsTheOther({ startWriter, startReader }: Pair): void {
  const pushed = population()
  const servers: ServerProcess[] = []
  let folder: TemporaryFolder
  let writer: RegistryClient
  let reader: RegistryClient

  async function clientOf(start: StartRegistry): Promise<RegistryClient> {
    const server = await start({
      dataFolder: join(folder.path, 'data'),
      configFolder: folder.path,
      cache: 'none',
    })
    servers.push(server)
    return new RegistryClient(server.url)
  }

  beforeAll(async () => {
    folder = await temporaryFolder()
    writer = await clientOf(startWriter)
    await pushPopulation(pushed, writer)
    reader = await clientOf(startReader)
  })
  afterAll(async () => {
    await Promise.all(servers.map((server) => server.stop()))
    await folder?.remove()
  })

  function smallImage(name: string) {
    return {
      repository: `other/${name}`,
      tag: 'v1',
      image: imageOf([gzippedLayer([{ path: 'name', content: name }])]),
    }
  }

  test('every repository and tag is listed', () => expectListed(pushed, reader))

  test('every byte is served', () => expectServed(pushed, reader))

  test('an image is deleted by the one and gone for the other', async () => {
    const tagged = smallImage('deleted-image')
    await writer.pushImage(tagged.repository, tagged)
    await reader.deleteManifest(tagged.repository, tagged.image.manifest.descriptor.digest)
    for (const client of [reader, writer]) {
      expect(await client.manifest(tagged.repository, tagged.tag)).toBeUndefined()
      expect(await client.tags(tagged.repository)).toEqual([])
    }
  })

  test('a blob is deleted by the one and gone for the other', async () => {
    const digest = await writer.pushBlob('other/deleted-blob', Buffer.from('to be deleted'))
    await reader.deleteBlob('other/deleted-blob', digest)
    expect(await reader.hasBlob('other/deleted-blob', digest)).toBe(false)
    expect(await writer.hasBlob('other/deleted-blob', digest)).toBe(false)
  })

  test('a tag is moved by the one and has moved for the other', async () => {
    const tagged = smallImage('moved-tag')
    const later = { ...tagged, image: smallImage('moved-tag-later').image }
    await writer.pushImage(tagged.repository, tagged)
    await reader.pushImage(later.repository, later)
    await expectImageServed(later, writer)
    await expectImageServed({ ...tagged, tag: tagged.image.manifest.descriptor.digest }, writer)
  })

  test('a blob is mounted from a repository that the other one wrote', async () => {
    const bytes = Buffer.from('to be mounted')
    const digest = await writer.pushBlob('other/mount-from', bytes)
    expect(await reader.mountBlob('other/mount-to', { digest, from: 'other/mount-from' })).toBe(true)
    expect(await writer.blob('other/mount-to', digest)).toEqual(bytes)
  })

  test('what a reader pushes on top, the writer serves', async () => {
    const tagged = smallImage('on-top')
    await reader.pushImage(tagged.repository, tagged)
    await expectImageServed(tagged, writer)
  })
}
