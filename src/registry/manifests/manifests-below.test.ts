import { expect, test } from 'vitest'
import { indexJson, payloadOf } from '../../../test/support/manifest-json.ts'
import { type Digest, digestOf } from '../../core/digest.ts'
import { RegistryError } from '../../core/errors.ts'
import type { Manifest } from '../../core/manifest/manifest.ts'
import { parseManifest } from '../../core/manifest/parse.ts'
import { MediaType } from '../../core/media-type.ts'
import { manifestsBelow } from './manifests-below.ts'

const stored = new Map<Digest, Manifest>()

function indexOf(children: readonly Manifest[], annotations: Record<string, string> = {}): Manifest {
  const manifests = children.map(({ payload, mediaType }) => ({
    mediaType,
    digest: digestOf(payload),
    size: payload.length,
  }))
  const manifest = parseManifest(payloadOf({ ...indexJson({ manifests }), annotations }), MediaType.ociIndex)
  stored.set(digestOf(manifest.payload), manifest)
  return manifest
}

const reads: Digest[] = []
const below = (manifest: Manifest) => {
  reads.length = 0
  return manifestsBelow(manifest, {
    childrenOf: (one) => one.references().map(({ descriptor }) => descriptor.digest),
    get: async (digest) => {
      reads.push(digest)
      const found = stored.get(digest)
      if (found === undefined) throw new RegistryError('MANIFEST_UNKNOWN')
      const { payload, mediaType } = found
      return { payload, descriptor: { mediaType, digest, size: payload.length } }
    },
  })
}
const names = (manifests: readonly Manifest[]) => manifests.map(({ payload }) => digestOf(payload))

test('each is read once, however many ways lead to it, and what is not there is left out', async () => {
  const leaf = indexOf([])
  const gone = indexOf([], { name: 'gone' })
  stored.delete(digestOf(gone.payload))
  const [left, right] = [indexOf([leaf, gone]), indexOf([leaf], { name: 'right' })]
  const found = await below(indexOf([left, right, leaf]))
  expect(names(found)).toEqual(names([left, right, leaf]))
  expect(new Set(reads).size).toBe(reads.length)
  expect(await below(leaf)).toEqual([])
})

test('what is too much is not followed', async () => {
  const large = Array.from({ length: 40 }, (_, n) => indexOf([], { n: `${n}`, text: 'x'.repeat(3_000_000) }))
  expect((await below(indexOf(large))).length).toBe(23) // the first with which they are more than 64 MiB
})
