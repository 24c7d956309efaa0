/** Docker's schema 1 in the handlers of manifests. */
import { RegistryError } from '../../core/errors.ts'
import type { Manifest } from '../../core/manifest/manifest.ts'
import { joinPrettyJws } from '../../core/manifest/schema1/pretty-jws.ts'
import { MediaType, SCHEMA1_TYPES } from '../../core/media-type.ts'
import type { RepositoryName, Tag } from '../../core/reference.ts'
import type { SignatureService, StoredManifest } from '../../core/registry.ts'

export function isSchema1({ descriptor }: StoredManifest): boolean {
  return SCHEMA1_TYPES.has(descriptor.mediaType)
}

/** The manifest with its signatures, as it was pushed. Its digest remains that of the payload, which clients
 *  compute. One without signatures is unchanged: Distribution has stored none since 2016. */
export async function withSignatures(
  stored: StoredManifest,
  signatures: SignatureService,
): Promise<StoredManifest> {
  const { digest } = stored.descriptor
  const payload = joinPrettyJws(stored.payload, await signatures.get(digest))
  if (payload === undefined) return stored
  return { descriptor: { mediaType: MediaType.dockerSchema1Signed, digest, size: payload.length }, payload }
}

/** Checks that a manifest is pushed to the repository and tag that it names.
 *  @throws RegistryError NAME_INVALID, TAG_INVALID */
export function requireAgreement(
  { madeFor }: Manifest,
  { name, tags }: { name: RepositoryName; tags: readonly Tag[] },
): void {
  if (madeFor === undefined) return
  if (madeFor.name !== name) {
    throw new RegistryError('NAME_INVALID', {
      message: 'the manifest was made for a repository of another name',
      detail: { name, inManifest: madeFor.name.slice(0, 255) },
    })
  }
  if (tags.some((tag) => tag !== madeFor.tag)) {
    throw new RegistryError('TAG_INVALID', {
      message: 'the manifest was made for another tag',
      detail: { tag: tags.find((tag) => tag !== madeFor.tag), inManifest: madeFor.tag.slice(0, 128) },
    })
  }
}
