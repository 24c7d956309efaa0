/** Parts of the changes of the index. */
import type { PullSum } from '../../core/catalog/catalog-index.ts'
import type { RepositoryName } from '../../core/reference.ts'
import type { TagEntry } from '../../core/registry.ts'
import type { Statement } from './engine.ts'

export interface RepositoryLook {
  readonly repository: RepositoryName
  /** Numbers the looks at storage: of two, the later one began later, and prevails. */
  readonly look: number
}

/** The repository's row; each takes the name. */
export const ID = '(SELECT id FROM repository WHERE name = ?)'
export const LOOKED = '(SELECT looked FROM repository WHERE name = ?)'

/** Makes the row if there is none, and locks it: looks of replicas are written one after the other. */
export function locked(repository: RepositoryName): Statement[] {
  return [
    {
      sql: 'INSERT INTO repository (name, present, looked) VALUES (?, 0, 0) ON CONFLICT (name) DO NOTHING',
      parameters: [repository],
    },
    { sql: 'UPDATE repository SET looked = looked WHERE name = ?', parameters: [repository] },
  ]
}

export function appears(repository: RepositoryName, look: number): Statement[] {
  return [
    {
      sql: `UPDATE state SET generation = generation + 1
            WHERE EXISTS (SELECT 1 FROM repository WHERE name = ? AND present = 0 AND looked < ?)`,
      parameters: [repository, look],
    },
    {
      sql: 'UPDATE repository SET present = 1 WHERE name = ? AND present = 0 AND looked < ?',
      parameters: [repository, look],
    },
  ]
}

export function statistics(repository: RepositoryName): Statement {
  return {
    sql: `UPDATE repository SET
            tags = (SELECT count(*) FROM tag WHERE tag.repository = repository.id),
            newest = (SELECT tag.name FROM tag WHERE tag.repository = repository.id AND tag.pushed IS NOT NULL
                      ORDER BY tag.pushed DESC, tag.id DESC LIMIT 1),
            pushed = (SELECT max(tag.pushed) FROM tag WHERE tag.repository = repository.id),
            size = (SELECT sum(one.size) FROM (SELECT max(tag.size) AS size FROM tag
                      WHERE tag.repository = repository.id GROUP BY tag.digest) one)
          WHERE name = ?`,
    parameters: [repository],
  }
}

export function tagsJson(entries: readonly TagEntry[]): string {
  return JSON.stringify(entries.map(({ tag, digest, setAt }) => [tag, digest, setAt.getTime()]))
}

/** @param pulls undefined if they are not recorded */
export function countedPulls({ repository, look }: RepositoryLook, pulls: PullSum | undefined): Statement {
  const lastPulled = pulls?.lastPulledAt?.getTime() ?? null
  return {
    sql: `UPDATE repository SET pulls = CAST(? AS BIGINT), pulled = CAST(? AS BIGINT), counted = ?
          WHERE name = ? AND counted < ?`,
    parameters: [pulls?.pulls ?? null, lastPulled, look, repository, look],
  }
}
