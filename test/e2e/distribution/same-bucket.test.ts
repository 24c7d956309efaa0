import { join } from 'node:path'
import {
  HeadObjectCommand,
  ListMultipartUploadsCommand,
  ListObjectsV2Command,
  type S3Client,
} from '@aws-sdk/client-s3'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { describeWith } from '../../support/describe-with.ts'
import { startDistribution } from '../../support/distribution-process.ts'
import { startEntrepot } from '../../support/entrepot-process.ts'
import { gzippedLayer, imageOf } from '../../support/oci-image.ts'
import { seededRandom } from '../../support/random.ts'
import { RegistryClient } from '../../support/registry-client.ts'
import { type StartRegistry, writeConfig } from '../../support/registry-process.ts'
import { type S3Kind, S3Server, s3Tools } from '../../support/s3-server.ts'
import type { ServerProcess } from '../../support/server-process.ts'
import { temporaryFolder } from '../../support/temporary-folder.ts'
import { run } from '../../support/tools.ts'
import { oneReadsTheOther, type Place } from './one-reads-the-other.ts'
import { expectImageServed, population, type TaggedImage } from './population.ts'

const MIB = 1024 ** 2

/** Redirects are on: what is pulled comes from the bucket, by URLs that each registry has signed. */
describeWith(['docker-registry', s3Tools.versitygw], 'one bucket under Distribution and Entrepot', () => {
  const pushed = population({ repositories: 3, tagsEach: 6 })
  const openPlace = () => openBucket('versitygw', { rootdirectory: '/some/where' })

  describe('what Distribution wrote, for Entrepot', () => {
    oneReadsTheOther({ startWriter: startDistribution, startReader: startEntrepot, openPlace, pushed })
  })
  describe('what Entrepot wrote, for Distribution', () => {
    oneReadsTheOther({ startWriter: startEntrepot, startReader: startDistribution, openPlace, pushed })
  })
})

describeWith(['docker-registry', s3Tools.seaweedfs], 'one bucket, encrypted and of a cheaper class', () => {
  const settings = { encrypt: true, storageclass: 'REDUCED_REDUNDANCY' }
  let place: BucketPlace
  let distribution: ServerProcess
  let entrepot: ServerProcess

  beforeAll(async () => {
    place = await openBucket('seaweedfs', settings)
    distribution = await startDistribution({ ...place.options, cache: 'none' })
    entrepot = await startEntrepot({ ...place.options, cache: 'none' })
  })
  afterAll(async () => {
    await Promise.all([distribution?.stop(), entrepot?.stop()])
    await place?.[Symbol.asyncDispose]()
  })

  test('each serves what the other wrote', async () => {
    for (const [writer, reader] of [
      [distribution, entrepot],
      [entrepot, distribution],
    ] as const) {
      const tagged = largeImage(`from-${writer === entrepot ? 'entrepot' : 'distribution'}`)
      await new RegistryClient(writer.url).pushImage(tagged.repository, tagged)
      await expectImageServed(tagged, new RegistryClient(reader.url))
    }
  })

  test('every object is kept as the settings say, whoever wrote it', async () => {
    const { client, bucket: Bucket } = place.server
    const keys = await keysOf(place.server)
    expect(keys.filter((key) => key.endsWith('/data')).length).toBeGreaterThan(4)
    for (const Key of keys) {
      const { ServerSideEncryption, StorageClass } = await client.send(new HeadObjectCommand({ Bucket, Key }))
      expect({ Key, ServerSideEncryption, StorageClass }).toEqual({
        Key,
        ServerSideEncryption: 'AES256',
        StorageClass: 'REDUCED_REDUNDANCY',
      })
    }
  })
})

describeWith(
  ['docker-registry', s3Tools.versitygw],
  'an upload that one of two on a bucket abandoned',
  () => {
    const starters = { Distribution: startDistribution, Entrepot: startEntrepot }

    test.each([
      ['Distribution', 'Entrepot'],
      ['Entrepot', 'Distribution'],
    ] as const)('%s abandoned it: %s is not disturbed', async (one, other) => {
      await using place = await openBucket('versitygw')
      const tagged = largeImage('abandoned')
      await abandonWith(starters[one], { place, repository: tagged.repository })

      await using server = await starters[other]({ ...place.options, cache: 'none' })
      const client = new RegistryClient(server.url)
      await client.pushImage(tagged.repository, tagged)
      await expectImageServed(tagged, client)
      expect(await client.tags(tagged.repository)).toEqual([tagged.tag])
      expect(await client.catalog()).toEqual([tagged.repository])
      await client.deleteManifest(tagged.repository, tagged.image.manifest.descriptor.digest)
      expect(await client.manifest(tagged.repository, tagged.tag)).toBeUndefined()
    })

    test("Distribution's garbage collection passes over what Entrepot left", async () => {
      await using place = await openBucket('versitygw')
      const tagged = largeImage('collected')
      await using entrepot = await startEntrepot({ ...place.options, cache: 'none' })
      const client = new RegistryClient(entrepot.url)
      await client.pushImage(tagged.repository, tagged)
      const deleted = await client.pushBlob(tagged.repository, Buffer.from('no manifest names it'))
      await abandonUpload(tagged.repository, entrepot)

      const config = await writeConfig('collection', place.options)
      await run('docker-registry', ['garbage-collect', config], { environment: { AWS_CA_BUNDLE: '' } })

      await expectImageServed(tagged, client)
      const hex = deleted.slice('sha256:'.length)
      expect(
        (await keysOf(place.server)).filter((key) => key.includes(`/blobs/sha256/${hex.slice(0, 2)}/${hex}`)),
      ).toEqual([])
    })

    test.each(['Distribution', 'Entrepot'] as const)(
      "%s abandoned it: Entrepot's purge removes it with its parts",
      async (one) => {
        await using place = await openBucket('versitygw')
        await abandonWith(starters[one], { place, repository: 'large/purged' })
        const uploadpurging = { enabled: true, age: '1s', interval: '1s', dryrun: false }
        const storage = { ...place.options.storage, maintenance: { uploadpurging } }

        await using _entrepot = await startEntrepot({ ...place.options, storage, cache: 'none' })

        const left = async () => ({
          parts: await openUploads(place.server),
          keys: (await keysOf(place.server)).filter((key) => key.includes('/large/purged/')),
        })
        await expect.poll(left, { timeout: 20_000 }).toEqual({ parts: [], keys: [] })
      },
    )
  },
)

interface BucketPlace extends Place {
  readonly server: S3Server
}

/** @param settings more of the section `s3` */
async function openBucket(kind: S3Kind, settings: object = {}): Promise<BucketPlace> {
  const folder = await temporaryFolder()
  const server = await S3Server.start(kind)
  return {
    server,
    options: {
      dataFolder: join(folder.path, 'data'),
      configFolder: folder.path,
      storage: { s3: { ...server.settings, chunksize: 5 * MIB, ...settings } },
    },
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]()
      await folder.remove()
    },
  }
}

/** One with a layer of several parts. */
function largeImage(name: string): TaggedImage {
  const layers = [name, seededRandom(name).bytes(11 * MIB)].map((content) =>
    gzippedLayer([{ path: 'content', content }]),
  )
  return { repository: `large/${name}`, tag: 'v1', image: imageOf(layers) }
}

/** Begins one, sends more than two parts of it, and is heard of no more. */
async function abandonUpload(repository: string, server: ServerProcess): Promise<void> {
  const client = new RegistryClient(server.url)
  await client.sendChunk(await client.beginUpload(repository), Buffer.alloc(12 * MIB))
}

/** With a registry that is gone then, too. */
async function abandonWith(
  start: StartRegistry,
  { place, repository }: { place: BucketPlace; repository: string },
): Promise<void> {
  await using server = await start({ ...place.options, cache: 'none' })
  await abandonUpload(repository, server)
  expect(await openUploads(place.server)).toHaveLength(1)
}

async function openUploads({ client, bucket: Bucket }: S3Server): Promise<string[]> {
  const { Uploads = [] } = await client.send(new ListMultipartUploadsCommand({ Bucket }))
  return Uploads.map(({ Key = '' }) => Key)
}

async function keysOf({ client, bucket: Bucket }: { client: S3Client; bucket: string }): Promise<string[]> {
  const { Contents = [] } = await client.send(new ListObjectsV2Command({ Bucket }))
  return Contents.map(({ Key = '' }) => Key)
}
