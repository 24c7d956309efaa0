import { describe, expect, it } from 'vitest'
import { type Digest, digestOf, hexOf } from '../../../src/core/digest.ts'
import { MAX_SIGNATURES } from '../../../src/core/manifest/limits.ts'
import type { Repository } from '../../../src/core/registry.ts'
import { collectAll } from '../storage-driver/support.ts'
import {
  blobPath,
  expectRegistryError,
  filesIn,
  manifestPayload,
  pushManifest,
  type RegistryUnderTest,
  ROOT,
  revisionLink,
} from './support.ts'

const signatureOf = (name: string) =>
  Buffer.from(JSON.stringify({ header: { alg: 'ES256' }, signature: name }))

async function signaturesOf(repository: Repository, digest: Digest): Promise<string[]> {
  const signatures = await repository.signatures.get(digest)
  return signatures.map(
    (bytes) => (JSON.parse(Buffer.from(bytes).toString()) as { signature: string }).signature,
  )
}

export function describeSignatures(current: () => RegistryUnderTest): void {
  describe('signatures', () => {
    it('are there once they were put, each once, in byte order of their digests', async () => {
      const repository = current().repository('a')
      const digest = await pushManifest(repository, 'image')
      expect(await signaturesOf(repository, digest)).toEqual([])
      await repository.signatures.put(digest, signatureOf('one'), signatureOf('two'))
      await repository.signatures.put(digest, signatureOf('two'), signatureOf('three'))
      const inOrder = ['one', 'two', 'three'].sort((one, other) =>
        digestOf(signatureOf(one)) < digestOf(signatureOf(other)) ? -1 : 1,
      )
      expect(await signaturesOf(repository, digest)).toEqual(inOrder)
      expect(await signaturesOf(await current().onOtherReplica('a'), digest)).toEqual(inOrder)
    })

    it('lie where Distribution kept them in 2015, as blobs with a link below the revision', async () => {
      const repository = current().repository('library/app')
      const digest = await pushManifest(repository, 'image')
      const before = await filesIn(current().driver)
      await repository.signatures.put(digest, signatureOf('one'))
      const name = digestOf(signatureOf('one'))
      const revision = `${ROOT}/repositories/library/app/_manifests/revisions/sha256/${hexOf(digest)}`
      expect(await filesIn(current().driver)).toEqual({
        ...before,
        [`${ROOT}/blobs/sha256/${hexOf(name).slice(0, 2)}/${hexOf(name)}/data`]:
          signatureOf('one').toString(),
        [`${revision}/signatures/sha256/${hexOf(name)}/link`]: name,
      })
    })

    it('belong to one manifest of one repository', async () => {
      const [a, b] = [current().repository('a'), current().repository('b')]
      const digest = await pushManifest(a, 'image')
      const other = await pushManifest(a, 'other')
      await pushManifest(b, 'image')
      await a.signatures.put(digest, signatureOf('one'))
      expect(await signaturesOf(a, other)).toEqual([])
      expect(await signaturesOf(b, digest)).toEqual([])
    })

    it('of a manifest pushed by sha512 are the same by either digest', async () => {
      const repository = current().repository('a')
      const alias = await pushManifest(repository, 'image', { algorithm: 'sha512' })
      await repository.signatures.put(alias, signatureOf('one'))
      expect(await signaturesOf(repository, alias)).toEqual(['one'])
      expect(await signaturesOf(repository, digestOf(manifestPayload('image')))).toEqual(['one'])
    })

    it('of what is not there: none, and an alias without its manifest can have none', async () => {
      const repository = current().repository('a')
      const absent = digestOf(Buffer.from('absent'), 'sha512')
      expect(await signaturesOf(repository, absent)).toEqual([])
      expect(await signaturesOf(repository, digestOf(Buffer.from('absent')))).toEqual([])
      await expectRegistryError(repository.signatures.put(absent, signatureOf('one')), 'MANIFEST_UNKNOWN')
      expect(await filesIn(current().driver)).toEqual({})
    })

    it('that come before their manifest make no manifest', async () => {
      const repository = current().repository('a')
      const digest = digestOf(manifestPayload('image'))
      await repository.signatures.put(digest, signatureOf('one'))
      expect(await repository.manifests.exists(digest)).toBe(false)
      expect(await collectAll(repository.manifests.all())).toEqual([])
      await pushManifest(repository, 'image')
      expect(await signaturesOf(repository, digest)).toEqual(['one'])
    })

    it('go with their manifest; their bytes stay for garbage collection', async () => {
      const repository = current().repository('a')
      const digest = await pushManifest(repository, 'image')
      const kept = await pushManifest(repository, 'kept')
      for (const manifest of [digest, kept]) await repository.signatures.put(manifest, signatureOf('one'))
      await repository.manifests.delete(digest)
      const left = Object.keys(await filesIn(current().driver))
      expect(left.filter((path) => path.includes(hexOf(digest)))).toEqual([blobPath(digest)])
      expect(left).toContain(blobPath(digestOf(signatureOf('one'))))
      expect(await signaturesOf(repository, digest)).toEqual([])
      expect(await signaturesOf(repository, kept)).toEqual(['one'])
    })

    it('that are damaged or gone are left out, and the damaged one is logged', async () => {
      const { driver, logged } = current()
      const repository = current().repository('a')
      const digest = await pushManifest(repository, 'image')
      await repository.signatures.put(digest, ...['one', 'two', 'three'].map(signatureOf))
      await driver.delete(blobPath(digestOf(signatureOf('one'))))
      await driver.put(blobPath(digestOf(signatureOf('two'))), signatureOf('not two'))
      expect(await signaturesOf(repository, digest)).toEqual(['three'])
      expect(await logged.until('damaged')).toContain(digestOf(signatureOf('two')))
    })

    it('that a crash left without content are left out', async () => {
      const { driver } = current()
      const repository = current().repository('a')
      const digest = await pushManifest(repository, 'image')
      await repository.signatures.put(digest, signatureOf('one'))
      const folder = revisionLink('a', digest).replace(/link$/, 'signatures/sha256')
      await driver.put(`${folder}/${'0'.repeat(64)}/link`, new Uint8Array())
      expect(await signaturesOf(repository, digest)).toEqual(['one'])
    })

    it(`are handed out by at most ${MAX_SIGNATURES}`, async () => {
      const repository = current().repository('a')
      const digest = await pushManifest(repository, 'image')
      const many = Array.from({ length: MAX_SIGNATURES + 5 }, (_, index) => signatureOf(String(index)))
      await repository.signatures.put(digest, ...many)
      expect(await signaturesOf(repository, digest)).toHaveLength(MAX_SIGNATURES)
    })
  })
}
