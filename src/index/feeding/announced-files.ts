/** Files of announced changes: `<process>-<number>-<changes>`, a JSON array of `[repository, tags]`, in the order in which
 *  they happened. Whoever adds changes to a file gives it the name with their new number, so that the names alone say
 *  what is new. Several names of one file are remains of a change of name. */
import type { ChangedTags } from '../../core/catalog/announcements.ts'
import { isRepositoryName, isTag, type RepositoryName, type Tag } from '../../core/reference.ts'

/** Distribution ignores it. */
export const ANNOUNCED_FOLDER = '/docker/registry/v2/maintenance/index-changes'

export interface AnnouncedFile {
  /** The file, whatever its number of changes. */
  readonly key: string
  readonly changes: number
}

const NAME = /^([0-9a-f-]{36}-\d{1,15})-(\d{1,9})$/

/** Undefined for any other file. */
export function announcedFile(name: string): AnnouncedFile | undefined {
  const [, key, changes] = NAME.exec(name) ?? []
  return key === undefined ? undefined : { key, changes: Number(changes) }
}

/** One change, as text. */
export function announcedText(repository: RepositoryName, tags: ChangedTags): string {
  return JSON.stringify([repository, tags === 'anything' ? null : tags])
}

export type AnnouncedChange = readonly [RepositoryName, ChangedTags]

/** Everybody who may write to the storage may write such a file, so a change that is none is undefined. */
export function announcedChanges(content: Uint8Array): readonly (AnnouncedChange | undefined)[] {
  let changes: unknown
  try {
    changes = JSON.parse(Buffer.from(content).toString())
  } catch {
    return []
  }
  if (!Array.isArray(changes)) return []
  return changes.map((change) => {
    const [repository, tags] = Array.isArray(change) ? change : []
    if (typeof repository !== 'string' || !isRepositoryName(repository)) return undefined
    return [repository, Array.isArray(tags) ? tags.filter(isTagName) : 'anything']
  })
}

function isTagName(value: unknown): value is Tag {
  return typeof value === 'string' && isTag(value)
}
