import type { Digest } from '../digest.ts'
import type { RepositoryName } from '../reference.ts'
import type { StorageDriver } from '../storage-driver.ts'
import type { RemovableManifests } from './removable.ts'

/** What keeps content: something in a repository stands for it. Digests are canonical. */
export type Holding =
  /** The repository has this manifest. */
  | { readonly kind: 'manifest'; readonly repository: RepositoryName; readonly digest: Digest }
  /** A signature that is kept beside a manifest. */
  | { readonly kind: 'signature'; readonly repository: RepositoryName; readonly digest: Digest }
  /** The repository has this blob. By itself that keeps the blob only for a while. */
  | {
      readonly kind: 'blob'
      readonly repository: RepositoryName
      readonly digest: Digest
      /** When it was pushed or mounted last, by the storage's clock. */
      readonly linkedAt: Date
    }

export interface HoldingsOptions {
  /** True for blobs whose holdings of the kind `blob` may be left out: they are kept anyway. */
  readonly without?: (blob: Digest) => boolean
}

export interface PoolOptions {
  /** Only digests after this one. */
  readonly after?: Digest | undefined
  /** True for blobs that may be left out, if that saves something. Those are asked about once. */
  readonly without?: (blob: Digest) => boolean
}

export interface PooledBlob {
  readonly digest: Digest
  /** In bytes. */
  readonly size: number
  /** By the storage's clock. */
  readonly modifiedAt: Date
}

/** What a manifest refers to, or why it can't be said. */
export type ManifestReferences =
  | {
      /** Config, layers and children, by their canonical digests. */
      readonly digests: readonly Digest[]
      /** Those that need not be in the repository, such as layers that clients fetch elsewhere. */
      readonly optional?: ReadonlySet<Digest>
      /** True if another repository may understand the manifest otherwise, because it names something by another algorithm. */
      readonly isOfRepository?: boolean
      /** The manifest that it is about, as it names it. */
      readonly subject?: Digest | undefined
    }
  | { readonly unreadable: string }

/** The port of a garbage collector to what a registry has. All of it is read from storage, past every cache. */
export interface Collectable extends RemovableManifests {
  /** Where the collector keeps its own files, and what it deletes by. */
  readonly storage: StorageDriver
  /** Everything that keeps content, a page at a time. A holding that stands all the while is never missed.
   *  @throws StorageError if anything can't be listed */
  holdings(options?: HoldingsOptions): AsyncIterable<readonly Holding[]>
  references(repository: RepositoryName, manifest: Digest): Promise<ManifestReferences>
  /** Every blob that the repository has, however old its link is. */
  blobsOf(repository: RepositoryName): AsyncIterable<Digest>
  /** The pool that all repositories share, in order of the digests. */
  pool(options?: PoolOptions): AsyncIterable<readonly PooledBlob[]>
  /** Where the bytes of a blob stand. */
  pathOf(digest: Digest): string
  /** Evicts blobs that were deleted from every cache. */
  evict(digests: readonly Digest[]): Promise<void>
}
