import { afterAll, beforeAll, expect, test } from 'vitest'
import { gzippedLayer, imageOf } from '../../support/oci-image.ts'
import { RegistryClient } from '../../support/registry-client.ts'
import type { RegistryOptions, StartRegistry } from '../../support/registry-process.ts'
import type { ServerProcess } from '../../support/server-process.ts'
import {
  expectImageServed,
  expectListed,
  expectServed,
  type Population,
  pushPopulation,
} from './population.ts'

export interface Place extends AsyncDisposable {
  readonly options: Pick<RegistryOptions, 'dataFolder' | 'configFolder' | 'storage'>
}

interface Pair {
  readonly startWriter: StartRegistry
  readonly startReader: StartRegistry
  readonly pushed: Population
  /** An empty one, for both. */
  openPlace(): Promise<Place>
}

/** Two registries run over one place. Neither keeps anything in memory (the cache is off), so each sees what the other
 *  one changes. */
export function oneReadsTheOther({ startWriter, startReader, pushed, openPlace }: Pair): void {
  const servers: ServerProcess[] = []
  let place: Place
  let writer: RegistryClient
  let reader: RegistryClient

  async function clientOf(start: StartRegistry): Promise<RegistryClient> {
    const server = await start({ ...place.options, cache: 'none' })
    servers.push(server)
    return new RegistryClient(server.url)
  }

  beforeAll(async () => {
    place = await openPlace()
    writer = await clientOf(startWriter)
    await pushPopulation(pushed, writer)
    reader = await clientOf(startReader)
  })
  afterAll(async () => {
    await Promise.all(servers.map((server) => server.stop()))
    await place?.[Symbol.asyncDispose]()
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
      // In a bucket, the folder of the tags goes with the last one: Distribution does not know the repository then.
      expect((await client.tags(tagged.repository)) ?? []).toEqual([])
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
