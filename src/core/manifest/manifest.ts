import type { Descriptor } from '../descriptor.ts'

/** What a manifest says of another piece of content. */
export interface ManifestReference {
  readonly descriptor: Descriptor
  /** Which service of the repository keeps it. */
  readonly kind: 'blob' | 'manifest'
  /** False for what need not be in the repository: layers that are fetched from elsewhere (`urls`). */
  readonly required: boolean
  /** Where else a foreign layer may be fetched from. */
  readonly urls: readonly string[]
  readonly platform: Platform | undefined
}

export interface Platform {
  readonly architecture: string
  readonly os: string
  readonly variant: string | undefined
}

/** A manifest of any kind. The registry stores its payload byte for byte and never looks inside except through this. */
export interface Manifest {
  readonly mediaType: string
  readonly payload: Uint8Array
  /** Config, layers and children, in the payload's order. The subject is not among them. */
  references(): readonly ManifestReference[]
  /** The manifest that this one is about; it need not exist. OCI Image Specification 1.1, `subject`. */
  readonly subject: Descriptor | undefined
}
