import type { Descriptor } from '../descriptor.ts'

/** A manifest's reference to other content. */
export interface ManifestReference {
  /** Its size is 0 in schema 1, which states none. */
  readonly descriptor: Descriptor
  /** The service that stores it. Configs, layers and blobs of artifacts are a `blob`. An index's entry is a
   *  `manifest` if its media type is a known one, otherwise `either`: a build cache's index lists layers,
   *  others list manifests of unknown types. */
  readonly kind: 'blob' | 'manifest' | 'either'
  /** False if it need not be in the repository: non-distributable layers, which clients fetch from `urls`. */
  readonly required: boolean
  /** Other places to fetch it from. Usually empty. */
  readonly urls: readonly string[]
  readonly platform: Platform | undefined
}

/** The platform of an index's entry. A missing part is the empty string. */
export interface Platform {
  readonly architecture: string
  readonly os: string
  readonly variant: string | undefined
}

/** A manifest of any kind. The registry stores the payload byte for byte and reads it only through this
 *  interface. */
export interface Manifest {
  /** Media type of the payload. A signed schema 1 is served with another. */
  readonly mediaType: string
  readonly payload: Uint8Array
  /** JWS signatures, each as JSON, that came with the payload but are not part of it. Schema 1 only. */
  readonly signatures: readonly Uint8Array[]
  /** The repository and tag that the manifest names. Schema 1 only. */
  readonly madeFor: { readonly name: string; readonly tag: string } | undefined
  /** Config, layers and children in the payload's order, without the subject. */
  references(): readonly ManifestReference[]
  /** The manifest that this one refers to; it need not exist. OCI Image Specification 1.1, `subject`. */
  readonly subject: Descriptor | undefined
}
