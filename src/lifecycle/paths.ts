import type { RepositoryName, Tag } from '../core/reference.ts'

/** Paths of the states of policies, which Distribution ignores.
 *
 *  ```
 *  /docker/registry/v2/lifecycle
 *  ├── tags/<name>/_tags/<tag>/lock      a state: the process that sets an immutable tag
 *  ├── history/<name>/_tags/<tag>/<id>   a change of a tag
 *  ├── history-since                     its time is that of the first start with a history
 *  ├── trash/<name>/_deletions/<id>      a deletion that can be undone
 *  ├── trash/<name>/_moves/<id>          what a tag named before it was moved; the id is that of the change
 *  ├── emptied/<name>/_emptied           this repository was deleted as a whole
 *  ├── pulls/recent/<id>                 pulls that a process has counted
 *  ├── pulls/repositories/<name>/_pulls  a state: the pulls of a repository
 *  ├── pulls/since                       a state: since when pulls are recorded
 *  ├── usage/totals                      what was counted last
 *  ├── usage/changes/<id>                what a process has changed since it began
 *  ├── usage/repositories/<name>/_usage  what the tags of a repository took up then
 *  └── retention                         a state: the process that runs retention
 *  ```
 *
 *  They are outside the repository: deleting a tag or a repository by hand leaves nothing wrong behind, because a lock
 *  says nothing of what a tag names. Files of the history and of the trash are written once. */
const LIFECYCLE = '/docker/registry/v2/lifecycle'

export const RETENTION_LOCK = `${LIFECYCLE}/retention`

export function tagLockPath(repository: RepositoryName, tag: Tag): string {
  return `${LIFECYCLE}/tags/${repository}/_tags/${tag}/lock`
}

export const HISTORY = `${LIFECYCLE}/history`
export const HISTORY_SINCE = `${LIFECYCLE}/history-since`
export const TRASH = `${LIFECYCLE}/trash`
export const EMPTIED = `${LIFECYCLE}/emptied`

/** The folder of a repository's tags in the history. */
export function historyFolder(repository: RepositoryName): string {
  return `${HISTORY}/${repository}/_tags`
}

/** The folder of a repository's deletions. */
export function deletionsFolder(repository: RepositoryName): string {
  return `${TRASH}/${repository}/_deletions`
}

/** The folder of what a repository's tags named before they were moved. */
export function movesFolder(repository: RepositoryName): string {
  return `${TRASH}/${repository}/_moves`
}

export function emptiedMark(repository: RepositoryName): string {
  return `${EMPTIED}/${repository}/_emptied`
}

const PULLS = `${LIFECYCLE}/pulls`
export const PULLS_SINCE = `${PULLS}/since`
export const RECENT_PULLS = `${PULLS}/recent`

export function pullsOf(repository: RepositoryName): string {
  return `${PULLS}/repositories/${repository}/_pulls`
}

const USAGE = `${LIFECYCLE}/usage`
export const USAGE_TOTALS = `${USAGE}/totals`
export const USAGE_CHANGES = `${USAGE}/changes`

export function usageOf(repository: RepositoryName): string {
  return `${USAGE}/repositories/${repository}/_usage`
}
