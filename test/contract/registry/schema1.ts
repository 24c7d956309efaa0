import { describe, expect, it } from 'vitest'
import { digestOf, hexOf } from '../../../src/core/digest.ts'
import { StorageError } from '../../../src/core/errors.ts'
import { parseManifest } from '../../../src/core/manifest/parse.ts'
import { MediaType } from '../../../src/core/media-type.ts'
import type { Repository } from '../../../src/core/registry.ts'
import {
  keptSignature,
  newSigner,
  prettyJws,
  schema1Layers,
  schema1Payload,
  signatureOf,
  signedSchema1,
} from '../../support/schema1.ts'
import { collectAll } from '../storage-driver/support.ts'
import { expectRegistryError, filesIn, pushBlob, type RegistryUnderTest, ROOT } from './support.ts'

const signers = [newSigner('ES256'), newSigner('RS256')] as const
const payload = schema1Payload()
const digest = digestOf(payload)

async function pushLayers(repository: Repository): Promise<void> {
  for (const layer of schema1Layers) await pushBlob(repository, layer)
}

export function describeSchema1(current: () => RegistryUnderTest): void {
  describe('signed manifests of schema 1', () => {
    it('are kept as their payload, with the signatures apart', async () => {
      const repository = current().repository('a')
      await pushLayers(repository)
      const before = await filesIn(current().driver)
      const signatures = signers.map((signer) => signatureOf(payload, signer))
      const pushed = await repository.manifests.put(parseManifest(prettyJws(payload, signatures)))
      const descriptor = { mediaType: MediaType.dockerSchema1, digest, size: payload.length }
      expect(pushed).toEqual(descriptor)
      expect(await repository.manifests.get(digest)).toEqual({ descriptor, payload })
      const revision = `${ROOT}/repositories/a/_manifests/revisions/sha256/${hexOf(digest)}`
      const blob = (hex: string) => `${ROOT}/blobs/sha256/${hex.slice(0, 2)}/${hex}/data`
      const expected: Record<string, string> = {
        ...before,
        [blob(hexOf(digest))]: payload.toString(),
        [`${revision}/link`]: digest,
      }
      for (const signature of signatures.map(keptSignature)) {
        const hex = hexOf(digestOf(signature))
        expected[blob(hex)] = signature.toString()
        expected[`${revision}/signatures/sha256/${hex}/link`] = `sha256:${hex}`
      }
      expect(await filesIn(current().driver)).toEqual(expected)
    })

    it('gather the signatures of every push', async () => {
      const repository = current().repository('a')
      await pushLayers(repository)
      for (const signer of signers)
        await repository.manifests.put(parseManifest(signedSchema1(payload, signer)))
      expect(await repository.signatures.get(digest)).toHaveLength(2)
      expect(await collectAll(repository.manifests.all())).toEqual([digest])
    })

    it('leave nothing when one signature is wrong, a layer is missing or there is none', async () => {
      const repository = current().repository('a')
      const forged = signatureOf(payload, signers[0], { signed: Buffer.from('another') })
      const half = prettyJws(payload, [signatureOf(payload, signers[1]), forged])
      const complete = parseManifest(signedSchema1(payload, ...signers))
      const { others } = await expectRegistryError(
        repository.manifests.put(complete),
        'MANIFEST_BLOB_UNKNOWN',
      )
      expect(others).toHaveLength(1)
      await pushLayers(repository)
      const before = await filesIn(current().driver)
      for (const manifest of [half, payload].map((content) => parseManifest(content))) {
        await expectRegistryError(repository.manifests.put(manifest), 'MANIFEST_UNVERIFIED')
      }
      await expectRegistryError(
        repository.manifests.put(complete, digestOf(signedSchema1(payload, ...signers))),
        'DIGEST_INVALID',
      )
      expect(await filesIn(current().driver)).toEqual(before)
    })

    it('never stand without the signatures they were pushed with', async () => {
      const { driver } = current()
      const repository = current().repository('a')
      await pushLayers(repository)
      const manifest = parseManifest(signedSchema1(payload, ...signers))
      driver.fault = ({ method, path }) =>
        method === 'put' && path.includes('/signatures/')
          ? new StorageError('BACKEND_FAILED', { path })
          : undefined
      await expect(repository.manifests.put(manifest)).rejects.toThrow(StorageError)
      expect(await repository.manifests.exists(digest)).toBe(false)
      driver.fault = () => undefined
      await repository.manifests.put(manifest)
      expect(await repository.signatures.get(digest)).toHaveLength(2)
    })

    it('pushed by sha512 have their signatures by either name', async () => {
      const repository = current().repository('a')
      await pushLayers(repository)
      const alias = digestOf(payload, 'sha512')
      await repository.manifests.put(parseManifest(signedSchema1(payload, ...signers)), alias)
      for (const name of [alias, digest]) expect(await repository.signatures.get(name)).toHaveLength(2)
    })
  })
}
