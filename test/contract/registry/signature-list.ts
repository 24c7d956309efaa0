import { describe, expect, it } from 'vitest'
import { type Digest, digestOf } from '../../../src/core/digest.ts'
import { MediaType } from '../../../src/core/media-type.ts'
import { parseTag } from '../../../src/core/reference.ts'
import type { Repository } from '../../../src/core/registry.ts'
import { descriptorOf } from '../../support/manifest-json.ts'
import { collectAll } from '../storage-driver/support.ts'
import { pushReferrer, subject } from './referrer-support.ts'
import { blobPath, pushBlob, pushManifest, type RegistryUnderTest, revisionLink } from './support.ts'

const notationType = 'application/vnd.cncf.notary.signature'
const bundleType = 'application/vnd.dev.sigstore.bundle.v0.3+json'
const simpleSigning = 'application/vnd.dev.cosign.simplesigning.v1+json'
const cosignTag = parseTag(`${subject.replace(':', '-')}.sig`)

interface Carrier {
  readonly artifactType?: string
  /** Each is the content of a signature, and its annotations. */
  readonly layers: readonly { content: string; mediaType: string; annotations?: Record<string, string> }[]
  readonly annotations?: Record<string, string>
  readonly subject?: undefined
}

/** @returns the digest of the manifest that carries the signatures */
async function pushCarrier(repository: Repository, { layers, ...parts }: Carrier): Promise<Digest> {
  for (const { content } of layers) await pushBlob(repository, content)
  const descriptors = layers.map(({ content, ...rest }) => descriptorOf(content, rest))
  return pushReferrer(repository, 'carrier', { artifactType: undefined, ...parts, layers: descriptors })
}

const listOf = (repository: Repository, digest = subject) => collectAll(repository.signatures.list(digest))

export function describeSignatureList(current: () => RegistryUnderTest): void {
  describe('the list of signatures', () => {
    it('has those of every kind, each with where it is and what is said of it', async () => {
      const repository = current().repository('a')
      const jws = Buffer.from('{"signature":"one"}')
      await repository.signatures.put(subject, jws)
      const tagged = await pushCarrier(repository, {
        subject: undefined,
        annotations: {},
        layers: [
          {
            content: 'first',
            mediaType: simpleSigning,
            annotations: { 'dev.cosignproject.cosign/signature': 'x' },
          },
          { content: 'second', mediaType: simpleSigning },
        ],
      })
      await repository.tags.tag(cosignTag, (await repository.manifests.get(tagged)).descriptor)
      const bundled = await pushCarrier(repository, {
        artifactType: bundleType,
        annotations: { both: 'of the manifest', one: 'of the manifest' },
        layers: [{ content: 'bundle', mediaType: bundleType, annotations: { both: 'of the layer' } }],
      })
      const notation = await pushCarrier(repository, {
        artifactType: notationType,
        annotations: { 'io.cncf.notary.x509chain.thumbprint#S256': '[]' },
        layers: [{ content: 'envelope', mediaType: 'application/jose+json' }],
      })
      const signature = (content: string, mediaType: string) => descriptorOf(content, { mediaType })
      const referring = [
        {
          kind: 'cosign',
          descriptor: signature('bundle', bundleType),
          manifest: bundled,
          annotations: { both: 'of the layer', one: 'of the manifest' },
        },
        {
          kind: 'notation',
          descriptor: signature('envelope', 'application/jose+json'),
          manifest: notation,
          annotations: { 'io.cncf.notary.x509chain.thumbprint#S256': '[]' },
        },
      ].sort((one, other) => (one.manifest < other.manifest ? -1 : 1))
      const expected = [
        { kind: 'jws', descriptor: signature(jws.toString(), 'application/jose+json'), annotations: {} },
        {
          kind: 'cosign',
          descriptor: signature('first', simpleSigning),
          manifest: tagged,
          annotations: { 'dev.cosignproject.cosign/signature': 'x' },
        },
        { kind: 'cosign', descriptor: signature('second', simpleSigning), manifest: tagged, annotations: {} },
        ...referring,
      ]
      const found = await listOf(repository)
      expect(found.map(({ pushedAt, ...rest }) => rest)).toEqual(expected)
      for (const { pushedAt } of found) expect(Math.abs(pushedAt.getTime() - Date.now())).toBeLessThan(60_000)
    })

    it('is of one manifest of one repository, and has nothing but signatures', async () => {
      const repository = current().repository('a')
      await pushReferrer(repository, 'an sbom')
      const other = await pushManifest(repository, 'other')
      await repository.signatures.put(subject, Buffer.from('{"signature":"one"}'))
      expect(await listOf(repository, other)).toEqual([])
      expect(await listOf(current().repository('b'))).toEqual([])
      expect(await listOf(repository)).toHaveLength(1)
    })

    it('has a manifest once that is both a tag’s and a referrer', async () => {
      const repository = current().repository('a')
      const carrier = await pushCarrier(repository, {
        artifactType: 'application/vnd.dev.cosign.artifact.sig.v1+json',
        layers: [{ content: 'first', mediaType: simpleSigning }],
      })
      expect(await listOf(repository)).toMatchObject([{ kind: 'cosign', manifest: carrier }])
      await repository.tags.tag(cosignTag, (await repository.manifests.get(carrier)).descriptor)
      expect(await listOf(repository)).toHaveLength(1)
    })

    it('has none that are deleted or whose manifests are damaged', async () => {
      const repository = current().repository('a')
      const [one, two] = [
        await pushCarrier(repository, {
          artifactType: notationType,
          layers: [{ content: 'one', mediaType: 'application/cose' }],
        }),
        await pushCarrier(repository, {
          artifactType: notationType,
          layers: [{ content: 'two', mediaType: 'application/cose' }],
        }),
      ]
      expect(await listOf(repository)).toHaveLength(2)
      await repository.manifests.delete(one)
      expect(await listOf(repository)).toMatchObject([{ manifest: two }])
      await current().driver.put(blobPath(two), Buffer.from('damaged'))
      expect(await listOf(repository)).toEqual([])
    })

    it('says when the repository got a signature, by the storage’s clock', async () => {
      const repository = current().repository('a')
      const carrier = await pushCarrier(repository, {
        artifactType: notationType,
        layers: [{ content: 'one', mediaType: 'application/cose' }],
      })
      const info = await current().driver.stat(revisionLink('a', carrier))
      const [signature] = await listOf(repository)
      expect(signature?.pushedAt).toEqual(info.kind === 'file' ? info.modifiedAt : undefined)
    })

    it('is as long as there are signatures, of a manifest named by sha512 too', async () => {
      const repository = current().repository('a')
      const digest = digestOf(Buffer.from('subject'), 'sha512')
      const about = { mediaType: MediaType.ociManifest, digest, size: 7 }
      for (const name of ['one', 'two', 'three']) {
        await pushBlob(repository, name)
        const layers = [descriptorOf(name, { mediaType: 'application/cose' })]
        await pushReferrer(repository, name, { artifactType: notationType, layers, subject: about })
      }
      expect(await listOf(repository, digest)).toHaveLength(3)
      expect(await listOf(repository)).toEqual([])
    })
  })
}
