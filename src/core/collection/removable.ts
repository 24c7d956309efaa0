import type { Digest } from '../digest.ts'
import type { RepositoryName } from '../reference.ts'

/** A manifest that a repository has. */
export interface RepositoryManifest {
  /** Canonical. */
  readonly digest: Digest
  /** Its digests by other algorithms. */
  readonly aliases: readonly Digest[]
  /** When it was pushed last, by the storage's clock. */
  readonly linkedAt: Date
}

/** What a repository has besides blobs. */
export interface RepositoryContent {
  readonly repository: RepositoryName
  readonly manifests: readonly RepositoryManifest[]
  /** The canonical digest that each tag names. */
  readonly tags: ReadonlyMap<string, Digest>
  /** Canonical digests of manifests that were deleted, or whose tag was, and that can be restored until then. The repository need not
   *  have them any more. Default: none. */
  readonly restorable?: ReadonlyMap<Digest, Date> | undefined
  /** Tags whose link names no digest. */
  readonly brokenTags: readonly string[]
}

/** A manifest that is to go, with what it says of itself. */
export interface DoomedManifest {
  readonly manifest: RepositoryManifest
  /** The manifest that it is about, as it names it. */
  readonly subject: Digest | undefined
}

/** The port through which a collector removes manifests from repositories. All of it is read from storage, past every cache. */
export interface RemovableManifests {
  /** Every repository that has manifests or tags, in byte order of the paths.
   *  @param options.after only repositories after this one
   *  @throws StorageError if anything can't be listed or read */
  repositories(options?: { readonly after?: RepositoryName | undefined }): AsyncIterable<RepositoryContent>
  /** As it is now. */
  contentOf(repository: RepositoryName): Promise<RepositoryContent>
  /** Tells pushes which manifests are to go: see `Condemnation`.
   *  @throws RegistryError UNAVAILABLE if others delete in the repository for too long; what `requireTenure` throws */
  condemn(repository: RepositoryName, options: CondemnOptions): Promise<Condemnation>
  /** Takes back what is condemned in a repository, by this collector or one that is gone.
   *  @throws RegistryError UNAVAILABLE if others delete in the repository for too long */
  release(repository: RepositoryName): Promise<void>
}

export interface CondemnOptions {
  readonly manifests: readonly Digest[]
  /** Throws if another collector has taken the place of this one. Asked at the right moment: a collector that was replaced condemns
   *  nothing after its successor has called `release`. */
  readonly requireTenure: () => Promise<void>
}

/** Manifests of a repository that are to go. A push that needs one of them takes it off the list, and then it stays. Whoever reads tags
 *  and manifests after they were condemned, and finds that nothing keeps one, may remove it. */
export interface Condemnation {
  /** Removes some of them while pushes wait.
   *  @returns those that were still condemned: they are removed
   *  @throws RegistryError UNAVAILABLE if others delete for too long; StorageError FENCE_CLOSED if it took too long: some are removed */
  remove(doomed: readonly DoomedManifest[]): Promise<readonly DoomedManifest[]>
}
