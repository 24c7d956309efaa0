import type { Digest } from './digest.ts'

/** Names content and says what it is. OCI Image Specification 1.1, "Content Descriptors". */
export interface Descriptor {
  readonly mediaType: string
  readonly digest: Digest
  /** In bytes. */
  readonly size: number
}

/** A manifest as the list of its subject's referrers shows it. OCI Distribution Specification 1.1, "Listing Referrers". */
export interface ReferrerDescriptor extends Descriptor {
  /** What the manifest says it is, else its config's media type. An index that does not say has none. */
  readonly artifactType?: string
  readonly annotations?: Readonly<Record<string, string>>
}

/** The media type of content that the registry does not look inside. */
export const OCTET_STREAM = 'application/octet-stream'
