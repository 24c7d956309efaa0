/** The port to the index of the catalog: search and order over all repositories and tags. The index is derived
 *  from storage, can be lost at any time, and is then filled again. Nothing but the extension API asks it. */
import type { Digest } from '../digest.ts'
import type { RepositoryName, Tag } from '../reference.ts'

/** What a manifest says of itself. */
export interface ManifestSummary {
  readonly digest: Digest
  readonly mediaType: string
  /** Null for images and indexes of images. */
  readonly artifactType: string | null
  /** `os/architecture` or `os/architecture/variant`. Empty if unknown. */
  readonly platforms: readonly string[]
  readonly createdAt: Date | null
  /** Bytes of the manifest with all that it references. Null if unknown. */
  readonly size: number | null
}

export interface IndexedTag extends ManifestSummary {
  readonly repository: RepositoryName
  readonly name: Tag
  /** When it was last set. */
  readonly pushedAt: Date | null
}

/** How often a repository was pulled. */
export interface PullSum {
  /** Of all of its manifests, since pulls are recorded. */
  readonly pulls: number
  /** To the hour. Null if there was none. */
  readonly lastPulledAt: Date | null
}

export interface IndexedRepository {
  readonly name: RepositoryName
  readonly tags: number
  /** The tag that was set last. */
  readonly newestTag: Tag | null
  readonly pushedAt: Date | null
  /** Sum over the distinct tagged manifests, in bytes. */
  readonly size: number | null
  /** Null if pulls are not recorded. */
  readonly pulls: PullSum | null
}

export const REPOSITORY_KEYS = ['name', 'pushed', 'tags', 'size', 'pulls'] as const
export type RepositoryKey = (typeof REPOSITORY_KEYS)[number]
export const TAG_KEYS = ['name', 'pushed', 'size', 'created'] as const
export type TagKey = (typeof TAG_KEYS)[number]

/** The order of a list. Unknown values come last in both directions. */
export interface Order<Key extends string> {
  readonly key: Key
  readonly descending: boolean
}

/** Where a page begins: behind the entry with this value of the order's key and these names. */
export interface Position {
  /** Milliseconds for times. Null if unknown. */
  readonly value: string | number | null
  readonly repository: string
  /** Empty for a repository. */
  readonly tag: string
}

/** @param Key keys by which the list can be ordered */
export interface IndexQuery<Key extends string> {
  /** Parts of the name, in lower case; all must appear. */
  readonly words: readonly string[]
  readonly order: Order<Key>
  readonly after: Position | undefined
  readonly count: number
  /** The rights of the client: only these repositories are listed. */
  readonly sees: (repository: RepositoryName) => boolean
}

export interface RepositoriesQuery extends IndexQuery<RepositoryKey> {
  /** Only repositories below this namespace. */
  readonly under: string | undefined
}

export interface TagsQuery extends IndexQuery<TagKey> {
  /** Only tags of this repository. */
  readonly repository: RepositoryName | undefined
  /** Parts of the repository's name, in lower case. */
  readonly repositoryWords: readonly string[]
  /** Only tags that name it. */
  readonly digest: Digest | undefined
}

/** One page of a list. */
export interface IndexPage<Entry> {
  readonly entries: readonly Entry[]
  /** Position of the last entry; undefined on the last page. */
  readonly next: Position | undefined
}

export interface IndexState {
  /** False while it is filled for the first time, or again. */
  readonly isComplete: boolean
  /** When all of storage was last compared. Null before the first time. */
  readonly asOf: Date | null
}

export interface CatalogIndex {
  /** @throws RegistryError UNAVAILABLE if the index can't be used */
  repositories(query: RepositoriesQuery): Promise<IndexPage<IndexedRepository>>
  /** @throws RegistryError UNAVAILABLE */
  tags(query: TagsQuery): Promise<IndexPage<IndexedTag>>
  /** The names of all repositories that the client sees, in no particular order.
   *  @throws RegistryError UNAVAILABLE */
  names(sees: (repository: RepositoryName) => boolean): Promise<readonly RepositoryName[]>
  /** @throws RegistryError UNAVAILABLE */
  state(): Promise<IndexState>
  /** Compares a repository with storage. Resolves when the index has been corrected, or after a short time;
   *  the comparison goes on then. Never rejects. */
  compare(repository: RepositoryName): Promise<void>
}
