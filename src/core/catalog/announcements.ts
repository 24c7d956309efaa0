import type { RepositoryName, Tag } from '../reference.ts'

/** What has changed in a repository: tags, none if only a manifest was pushed, or anything. */
export type ChangedTags = readonly Tag[] | 'anything'

/** The port to the other replicas' indexes: says which repository has changed, and hears it. */
export interface Announcements {
  /** Never waits or throws: an announcement that is lost is made up for by the sweep. */
  publish(repository: RepositoryName, tags: ChangedTags): void
  /** @param onMissed is called if something may not have been heard */
  subscribe(apply: (repository: RepositoryName, tags: ChangedTags) => void, onMissed: () => void): void
  /** Hears what was announced up to now. Undefined if that was heard just now, or is heard without asking. Never
   *  rejects.
   *  @returns true if something is new */
  catchUp(): Promise<boolean> | undefined
  close(): Promise<void>
}
