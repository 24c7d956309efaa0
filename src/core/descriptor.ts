import type { Digest } from './digest.ts'

/** Names content and says what it is. OCI Image Specification 1.1, "Content Descriptors". */
export interface Descriptor {
  readonly mediaType: string
  readonly digest: Digest
  /** In bytes. */
  readonly size: number
}

/** The media type of content that the registry does not look inside. */
export const OCTET_STREAM = 'application/octet-stream'
