import type { Descriptor } from '../descriptor.ts'

/** What a manifest says of another piece of content. */
export interface ManifestReference {
  /** Its size is 0 in schema 1, which does not say it. */
  readonly descriptor: Descriptor
  /** Which service of the repository keeps it. A config, a layer and an artifact's blob are a `blob`; an index's entry
   *  is a `manifest` where its media type is that of one, and otherwise `either`: the entries of a build cache's index
   *  are layers, and an index may list manifests of types not known here. */
  readonly kind: 'blob' | 'manifest' | 'either'
  /** False for what need not be in the repository: layers of a type that is not distributed, which clients fetch from
   *  elsewhere (`urls`). */
  readonly required: boolean
  /** Where else it may be fetched from; most have no such place. */
  readonly urls: readonly string[]
  readonly platform: Platform | undefined
}

/** What an index's entry runs on. A part that the index leaves out is the empty string. */
export interface Platform {
  readonly architecture: string
  readonly os: string
  readonly variant: string | undefined
}

/** A manifest of any kind. The registry stores its payload byte for byte and never looks inside except through this. */
export interface Manifest {
  /** That of the payload: schema 1 has another with its signatures. */
  readonly mediaType: string
  readonly payload: Uint8Array
  /** The JWS signatures it came with, which are no part of the payload; only schema 1 has any. Each is JSON. */
  readonly signatures: readonly Uint8Array[]
  /** The repository and the tag that it says it was made for; only schema 1 says so. */
  readonly madeFor: { readonly name: string; readonly tag: string } | undefined
  /** Config, layers and children, in the payload's order. The subject is not among them. */
  references(): readonly ManifestReference[]
  /** The manifest that this one is about; it need not exist. OCI Image Specification 1.1, `subject`. */
  readonly subject: Descriptor | undefined
}
