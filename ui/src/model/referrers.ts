/** What refers to an image, by its purpose. */
import { type Kind, kindOfType } from './kind.ts'
import type { Descriptor } from './manifest.ts'

export type Purpose = 'Signatures' | 'SBOMs' | 'Attestations' | 'Scan reports' | 'Other'

export const PURPOSES: readonly Purpose[] = ['Signatures', 'SBOMs', 'Attestations', 'Scan reports', 'Other']

const PURPOSE_OF: Partial<Record<Kind, Purpose>> = {
  signature: 'Signatures',
  sbom: 'SBOMs',
  attestation: 'Attestations',
  scan: 'Scan reports',
}

export function purposeOf({ artifactType, mediaType, annotations }: Descriptor): Purpose {
  const predicate = predicateOf({ annotations })
  // A bundle of Sigstore holds a signature, or a signed statement.
  if (
    /sigstore\.bundle/.test(artifactType) &&
    annotations['dev.sigstore.bundle.content'] === 'dsse-envelope'
  ) {
    if (/cosign\.sigstore\.dev\/sign|sign\/v1/.test(predicate)) return 'Signatures'
    return PURPOSE_OF[kindOfType(predicate) ?? 'attestation'] ?? 'Attestations'
  }
  const kind = kindOfType(artifactType) ?? kindOfType(mediaType)
  return (kind && PURPOSE_OF[kind]) ?? 'Other'
}

/** The type of the statement that an attestation makes; empty if unknown. */
export function predicateOf({ annotations }: Pick<Descriptor, 'annotations'>): string {
  return (
    annotations['dev.sigstore.bundle.predicateType'] ??
    annotations['in-toto.io/predicate-type'] ??
    annotations.predicateType ??
    ''
  )
}

/** The referrers of each purpose that has some. */
export function byPurpose(
  referrers: readonly Descriptor[],
): readonly (readonly [Purpose, readonly Descriptor[]])[] {
  return PURPOSES.map(
    (purpose) => [purpose, referrers.filter((one) => purposeOf(one) === purpose)] as const,
  ).filter(([, found]) => found.length > 0)
}
