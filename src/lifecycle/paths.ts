import type { RepositoryName, Tag } from '../core/reference.ts'

/** Paths of the states of policies, which Distribution ignores.
 *
 *  ```
 *  /docker/registry/v2/lifecycle
 *  ├── tags/<name>/_tags/<tag>/lock    a state: the process that sets an immutable tag
 *  └── retention                       a state: the process that runs retention
 *  ```
 *
 *  They are outside the repository: deleting a tag or a repository by hand leaves nothing wrong behind, because a lock
 *  says nothing of what a tag names. */
const LIFECYCLE = '/docker/registry/v2/lifecycle'

export const RETENTION_LOCK = `${LIFECYCLE}/retention`

export function tagLockPath(repository: RepositoryName, tag: Tag): string {
  return `${LIFECYCLE}/tags/${repository}/_tags/${tag}/lock`
}
