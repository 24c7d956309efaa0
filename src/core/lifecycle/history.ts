/** The port to what repositories had: the changes of their tags, and deletions that can be undone. */
import type { Digest } from '../digest.ts'
import type { RepositoryName, Tag } from '../reference.ts'

/** What has made a change: a client's request, a restoration or the deletion of a repository that a client has asked for, retention,
 *  or a command. */
export const CHANGE_CAUSES = ['request', 'restore', 'repository', 'retention', 'command'] as const
export type ChangeCause = (typeof CHANGE_CAUSES)[number]

/** Who has made a change. */
export interface Author {
  /** The authenticated client; empty for the anonymous one, and for what the registry does by itself. */
  readonly actor: string
  readonly cause: ChangeCause
}

/** A change of a tag. */
export interface TagChange extends Author {
  /** Unique, and in the order of time. */
  readonly id: string
  readonly tag: Tag
  readonly action: 'set' | 'moved' | 'removed'
  /** RFC 3339, by the clock of the process that has made it. */
  readonly at: string
  /** The digest that the tag named before; absent if there was none. */
  readonly from?: Digest | undefined
  /** The digest that it names since; absent if it was removed. */
  readonly to?: Digest | undefined
  /** Of a tag that was moved: until then garbage collection keeps `from`, and the change can be undone by its id. RFC 3339. */
  readonly until?: string | undefined
}

export interface TaggedDigest {
  readonly tag: Tag
  readonly digest: Digest
}

/** A deletion that can be undone. `move` is that of what a tag named before it was moved; its id is that of the change. */
export interface Deletion extends Author {
  /** Unique in its repository, and in the order of time. */
  readonly id: string
  readonly kind: 'tag' | 'move' | 'manifest' | 'repository'
  /** RFC 3339. */
  readonly at: string
  /** Until then garbage collection keeps its content. RFC 3339. */
  readonly until: string
  /** The first of them. */
  readonly tags: readonly TaggedDigest[]
  readonly tagCount: number
  /** The first of them, by their canonical digests. */
  readonly manifests: readonly Digest[]
  readonly manifestCount: number
}

/** What has come of a restoration. */
export interface Restoration {
  readonly id: string
  /** Tags that name again what they named. */
  readonly tags: readonly TaggedDigest[]
  /** Manifests that were put back, by their canonical digests. */
  readonly manifests: readonly Digest[]
  /** Tags that name something else by now, and stay as they are. */
  readonly conflicts: readonly TaggedDigest[]
  /** Manifests that can't be put back, because their content is gone. */
  readonly lost: readonly Digest[]
}

/** A page of a list, the newest first. */
export interface HistoryPage {
  readonly count: number
  /** The id that the page before has ended with. */
  readonly after?: string | undefined
}

export interface RestoreOptions {
  /** True if tags that name something else by now are moved back. */
  readonly force: boolean
}

export interface RepositoryHistory {
  /** Since when changes are recorded; nothing is known of the time before. By the storage's clock. */
  recordedSince(): Promise<Date | undefined>
  /** The changes of a tag, or of all tags. */
  changes(repository: RepositoryName, page: HistoryPage & { tag?: Tag | undefined }): Promise<TagChange[]>
  /** Without moves, which are among the changes. */
  deletions(repository: RepositoryName, page: HistoryPage): Promise<Deletion[]>
  /** Undoes a deletion, or the move of a tag that names still what it was moved to. What it puts back is a push to all intents.
   *  @throws RegistryError DELETION_UNKNOWN if there is none of this id, or nothing of it is left */
  restore(repository: RepositoryName, id: string, options: RestoreOptions): Promise<Restoration>
  /** Deletes all that a repository has.
   *  @throws RegistryError NAME_UNKNOWN; TAG_IMMUTABLE if a rule protects a tag of it */
  deleteRepository(repository: RepositoryName): Promise<Deletion>
}
