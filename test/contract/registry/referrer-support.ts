import type { ReferrerDescriptor } from '../../../src/core/descriptor.ts'
import { type Digest, digestOf, type HashAlgorithm } from '../../../src/core/digest.ts'
import { parseManifest } from '../../../src/core/manifest/parse.ts'
import { MediaType } from '../../../src/core/media-type.ts'
import type { ReferrerQuery, Repository } from '../../../src/core/registry.ts'
import { descriptorOf, imageJson, payloadOf } from '../../support/manifest-json.ts'
import { collectAll } from '../storage-driver/support.ts'
import { pushBlob, ROOT } from './support.ts'

export const subject = digestOf(Buffer.from('subject'))

export const sbomType = 'application/vnd.example.sbom'

/** The manifest of an artifact without layers that says something of another manifest.
 *  @param name what sets it apart from others
 *  @param parts what it has instead or besides */
export function referrerPayload(name: string, parts: Record<string, unknown> = {}): Uint8Array {
  const about = { mediaType: MediaType.ociManifest, digest: subject, size: 7 }
  const config = descriptorOf('{}', { mediaType: 'application/vnd.oci.empty.v1+json' })
  return payloadOf(
    imageJson({
      config,
      layers: [],
      subject: about,
      artifactType: sbomType,
      annotations: { name },
      ...parts,
    }),
  )
}

/** @returns the digest that it was pushed by */
export async function pushReferrer(
  repository: Repository,
  name: string,
  { algorithm, ...parts }: { algorithm?: HashAlgorithm } & Record<string, unknown> = {},
): Promise<Digest> {
  await pushBlob(repository, '{}')
  return putReferrer(repository, referrerPayload(name, parts), algorithm)
}

/** As `pushReferrer`, where the configuration is there already. */
export async function putReferrer(
  repository: Repository,
  payload: Uint8Array,
  algorithm?: HashAlgorithm,
): Promise<Digest> {
  const { digest } = await repository.manifests.put(parseManifest(payload), digestOf(payload, algorithm))
  return digest
}

export function listed(
  repository: Repository,
  query?: ReferrerQuery,
  of: Digest = subject,
): Promise<ReferrerDescriptor[]> {
  return collectAll(repository.manifests.referrers(of, query))
}

export async function digestsListed(repository: Repository, of?: Digest): Promise<Digest[]> {
  return (await listed(repository, {}, of)).map(({ digest }) => digest)
}

export function referrersFolder(repository: string): string {
  return `${ROOT}/repositories/${repository}/_manifests/referrers`
}

export function referrerLink(repository: string, referrer: Digest, of: Digest = subject): string {
  return `${referrersFolder(repository)}/${of.replace(':', '/')}/${referrer.replace(':', '/')}/link`
}
