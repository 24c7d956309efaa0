import { describe, expect, it } from 'vitest'
import { type Digest, digestOf } from '../../../src/core/digest.ts'
import { RegistryError, StorageError } from '../../../src/core/errors.ts'
import { parseTag } from '../../../src/core/reference.ts'
import type { Repository } from '../../../src/core/registry.ts'
import { collect, distinctBytes, expectSameBytes } from '../storage-driver/support.ts'
import { blobPath, chunksOf, pushBlob, pushManifest, type RegistryUnderTest, tagsOf } from './support.ts'

/** Less than a bucket's part, and more. */
const LENGTHS = [100, 11 * 1024 * 1024]

/** What several processes do to one repository at the same time, step by step. */
export function describeRaces(current: () => RegistryUnderTest): void {
  describe.each(LENGTHS)('an upload of %i bytes that several processes write to', (length) => {
    const good = distinctBytes(length, 1)
    const evil = distinctBytes(length, 2)
    const digest = digestOf(good)

    it('is never finished with other bytes than those that were hashed: begun anew while a finish is held', async () => {
      const [a, b, c] = await replicas(current(), 3)
      const begun = await a!.blobs.createUpload()
      await (await b!.blobs.getUpload(begun.id)).append(chunksOf(good))
      const held = Promise.withResolvers<void>()
      const finishing = (async () => {
        const upload = await b!.blobs.resume(begun.id)
        await held.promise
        await upload.append(chunksOf(), { last: true })
        return upload.commit(digest)
      })()
      await (await c!.blobs.getUpload(begun.id)).cancel()
      await begun.append(chunksOf(evil))
      held.resolve()
      await expectLost(finishing)
      await expectNeverEvil([a!, b!, c!], digest, good)
      await pushBlob(a!, good)
      await expectNeverEvil([a!, b!, c!], digest, good)
    })

    it('is lost for whoever still writes to it when it is removed', async () => {
      const [a, b] = await replicas(current(), 2)
      const begun = await a!.blobs.createUpload()
      await begun.append(chunksOf(good))
      const [held, isWriting] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
      async function* more() {
        yield evil.subarray(0, 10)
        isWriting.resolve()
        await held.promise
        yield evil.subarray(10)
      }
      const writing = begun.append(more())
      await isWriting.promise
      await (await b!.blobs.getUpload(begun.id)).cancel()
      held.resolve()
      await expectLost(writing)
    })

    it('has one writer: of two that begin at once at most one is acknowledged', async () => {
      const [a, b] = await replicas(current(), 2)
      const begun = await a!.blobs.createUpload()
      const other = await b!.blobs.getUpload(begun.id)
      await Promise.allSettled([begun.append(chunksOf(good)), other.append(chunksOf(evil))])
      await begun.commit(digest).catch(requireLost)
      await expectNeverEvil([a!, b!], digest, good)
    })

    it('is finished by each of two with its own last bytes, and becomes what is acknowledged', async () => {
      const [a, b] = await replicas(current(), 2)
      const begun = await a!.blobs.createUpload()
      await begun.append(chunksOf(good))
      const [one, other] = [Buffer.from('tail a'), Buffer.from('tail b')]
      const finish = async (repository: Repository, tail: Uint8Array) => {
        const upload = await repository.blobs.getUpload(begun.id)
        await upload.append(chunksOf(tail), { offset: length, last: true })
        await upload.commit(digestOf(Buffer.concat([good, tail])))
      }
      await Promise.all([finish(a!, one).catch(requireLost), finish(b!, other).catch(requireLost)])
      for (const tail of [one, other]) {
        const whole = Buffer.concat([good, tail])
        await expectNeverEvil([a!, b!], digestOf(whole), whole)
      }
    })

    it('does not change a blob of another repository', async () => {
      const [a, b, c] = await replicas(current(), 3)
      const victim = current().repository('victim')
      await pushBlob(victim, good)
      const begun = await a!.blobs.createUpload()
      await (await b!.blobs.getUpload(begun.id)).append(chunksOf(good))
      const stale = await b!.blobs.resume(begun.id)
      await (await c!.blobs.getUpload(begun.id)).cancel()
      await begun.append(chunksOf(evil))
      await expectLost(stale.commit(digest))
      expectSameBytes(await collect((await victim.blobs.open(digest)).read()), good)
    })

    it('heals a blob of the right size and other bytes that stands there', async () => {
      const [a] = await replicas(current(), 1)
      await current().driver.put(blobPath(digest), evil)
      await pushBlob(a!, good)
      await expectNeverEvil([a!], digest, good)
    })
  })

  describe('deleting a manifest while it or its tag is pushed', () => {
    it.each(['this replica', 'another'])(
      'leaves the tag to what came later (deleted by %s)',
      async (where) => {
        const repository = current().repository('a')
        const [old, next] = [await pushManifest(repository, 'old'), await pushManifest(repository, 'next')]
        await tag(repository, 'latest', old)
        const deleting = where === 'another' ? await current().onOtherReplica('a') : repository
        await Promise.all([deleting.manifests.delete(old), tag(repository, 'latest', next)])
        expect(await repository.tags.get(parseTag('latest'))).toBe(next)
      },
    )

    it('never leaves a tag that names what is gone', async () => {
      const repository = current().repository('a')
      const elsewhere = await current().onOtherReplica('a')
      for (let round = 0; round < 5; round++) {
        const digest = await pushManifest(repository, `image ${round}`, { tags: ['first'] })
        const [, tagged] = await Promise.all([
          elsewhere.manifests.delete(digest),
          tag(repository, `second-${round}`, digest).then(() => 'tagged', codeOf),
        ])
        expect(tagged).toBeOneOf(['tagged', 'MANIFEST_UNKNOWN'])
        for (const one of await tagsOf(repository))
          await expect(repository.tags.get(one)).resolves.toBeDefined()
        const names = await tagsOf(repository)
        const exists = await (await current().onOtherReplica('a')).manifests.exists(digest)
        expect(names).toEqual(exists ? [`second-${round}`] : [])
        for (const name of names) await repository.tags.untag(name)
      }
    })

    it('is seen by whoever tags only after it, also when others have seen it before', async () => {
      const repository = current().repository('a')
      const [digest, other] = [
        await pushManifest(repository, 'image'),
        await pushManifest(repository, 'other'),
      ]
      const { descriptor } = await repository.manifests.get(digest)
      await (await current().onOtherReplica('a')).manifests.delete(digest)
      await tag(repository, 'other', other)
      await expect(repository.tags.tag(parseTag('v1'), descriptor)).rejects.toMatchObject({
        code: 'MANIFEST_UNKNOWN',
      })
      expect(await tagsOf(repository)).toEqual(['other'])
    })

    it('is seen by whoever tags only after the deletion, when it has gone on', async () => {
      const repository = current().repository('a')
      const digest = await pushManifest(repository, 'image')
      const { descriptor } = await repository.manifests.get(digest)
      const elsewhere = await current().onOtherReplica('a')
      // The deletion comes between the tag's history and the tag.
      let isDeleted = false
      current().driver.fault = ({ method, path }) => {
        if (method === 'getState' && !isDeleted) {
          isDeleted = true
          return new StorageError('BUSY', { path })
        }
        return undefined
      }
      await expect(repository.tags.tag(parseTag('v1'), descriptor)).rejects.toMatchObject({
        code: 'UNAVAILABLE',
      })
      await elsewhere.manifests.delete(digest)
      await expect(repository.tags.tag(parseTag('v1'), descriptor)).rejects.toMatchObject({
        code: 'MANIFEST_UNKNOWN',
      })
      expect(await tagsOf(repository)).toEqual([])
    })
  })
}

async function replicas(registry: RegistryUnderTest, count: number): Promise<Repository[]> {
  return Promise.all(Array.from({ length: count }, () => registry.onOtherReplica('a')))
}

async function tag(repository: Repository, name: string, digest: Digest): Promise<void> {
  await repository.tags.tag(parseTag(name), (await repository.manifests.get(digest)).descriptor)
}

/** Either the blob is not there, or it is what its digest says, for everybody. */
async function expectNeverEvil(
  repositories: readonly Repository[],
  digest: Digest,
  content: Uint8Array,
): Promise<void> {
  for (const { blobs } of repositories) {
    const blob = await blobs.open(digest).catch(unlessUnknown)
    if (blob !== undefined) expectSameBytes(await collect(blob.read()), content)
  }
}

function unlessUnknown(error: unknown): undefined {
  if (!(error instanceof RegistryError) || error.code !== 'BLOB_UNKNOWN') throw error
}

/** A lost race is an answer, not a failure. */
async function expectLost(work: Promise<unknown>): Promise<void> {
  requireLost(
    await work.then(
      () => new Error('it was acknowledged'),
      (reason: unknown) => reason,
    ),
  )
}

function requireLost(error: unknown): void {
  expect(error).toBeInstanceOf(RegistryError)
  expect(['RANGE_INVALID', 'BLOB_UPLOAD_UNKNOWN', 'DIGEST_INVALID']).toContain((error as RegistryError).code)
}

function codeOf(error: unknown): string {
  if (error instanceof RegistryError) return error.code
  throw error
}
