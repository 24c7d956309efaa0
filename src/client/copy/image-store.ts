/** The ports of copying: where images come from and where they go. A registry's repository, an OCI layout and
 *  a docker archive are both. */
import type { Descriptor, ReferrerDescriptor } from '../../core/descriptor.ts'
import type { Digest } from '../../core/digest.ts'
import type { ManifestReference } from '../../core/manifest/manifest.ts'
import type { RepositoryName } from '../../core/reference.ts'

/** A manifest as it was fetched, byte for byte. */
export interface ImageManifest {
  readonly digest: Digest
  /** As it is sent to registries. */
  readonly mediaType: string
  readonly payload: Uint8Array
  readonly references: readonly ManifestReference[]
  readonly subject: Digest | undefined
}

/** A repository of a registry, by which blobs can be mounted. */
export interface RepositoryLocation {
  /** Its URL. */
  readonly registry: string
  readonly repository: RepositoryName
}

export interface ImageSource {
  /** For messages. */
  readonly name: string
  readonly location: RepositoryLocation | undefined
  /** @param reference a digest, a tag or, in an archive, an image's name; undefined for the only image
   *  @throws UpstreamError NOT_FOUND; INVALID if the digest is another one */
  manifest(reference: string | undefined, signal?: AbortSignal): Promise<ImageManifest>
  /** The bytes from `start` on, unverified.
   *  @throws UpstreamError NOT_FOUND */
  openBlob(
    digest: Digest,
    options: { start: number; signal?: AbortSignal | undefined },
  ): Promise<AsyncIterable<Uint8Array>>
  referrers(subject: Digest, signal?: AbortSignal): Promise<readonly ReferrerDescriptor[]>
  /** The references of all images. */
  tags(signal?: AbortSignal): AsyncIterable<string>
}

export interface BlobToPut {
  readonly descriptor: Descriptor
  /** Another repository of the target's registry that has it. */
  readonly mountFrom: RepositoryName | undefined
  /** The bytes from `start` on. They are verified at their end, which throws if they have another digest. A chunk belongs to who
   *  gets it, who may free its memory. */
  open(start: number): AsyncIterable<Uint8Array>
  /** Is told how many bytes of the blob are at the target by now. */
  onPosition(bytes: number): void
  readonly signal: AbortSignal | undefined
}

/** How a blob has come to be at the target. */
export type BlobOutcome = 'existing' | 'mounted' | 'copied'

export interface ImageTarget {
  readonly name: string
  readonly location: RepositoryLocation | undefined
  hasManifest(digest: Digest, signal?: AbortSignal): Promise<boolean>
  putBlob(blob: BlobToPut): Promise<BlobOutcome>
  /** Everything that it references is there.
   *  @param reference a tag or an image's name; undefined for none */
  putManifest(manifest: ImageManifest, reference: string | undefined, signal?: AbortSignal): Promise<void>
  /** Called at the end.
   *  @param isComplete false if some of the images could not be copied */
  finish(isComplete: boolean): Promise<void>
}
