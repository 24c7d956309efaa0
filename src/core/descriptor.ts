import type { Digest } from './digest.ts'

/** Digest, size and media type of content. OCI Image Specification 1.1, "Content Descriptors". */
export interface Descriptor {
  readonly mediaType: string
  readonly digest: Digest
  /** In bytes. */
  readonly size: number
}

/** A manifest as the list of its subject's referrers shows it. OCI Distribution Specification 1.1, "Listing
 *  Referrers". */
export interface ReferrerDescriptor extends Descriptor {
  /** The manifest's `artifactType`, else its config's media type. Undefined for an index without one. */
  readonly artifactType?: string
  readonly annotations?: Readonly<Record<string, string>>
}

/** The media type of content that the registry does not look inside. */
export const OCTET_STREAM = 'application/octet-stream'
