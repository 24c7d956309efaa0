/** Parts of the changes of the index. Each of them is about several repositories; what they take is a JSON array of
 *  arrays. */
import type { ManifestSummary, PullSum } from '../../core/catalog/catalog-index.ts'
import type { RepositoryName, Tag } from '../../core/reference.ts'
import type { TagEntry } from '../../core/registry.ts'
import type { Dialect, Statement } from './engine.ts'

/** A tag of one of several repositories. */
export interface RepositoryTag extends TagEntry {
  readonly repository: RepositoryName
}

export interface RepositoryPulls {
  readonly repository: RepositoryName
  /** Undefined if they are not recorded. */
  readonly pulls: PullSum | undefined
}

/** Statements in the words of a database. */
export class ChangeStatements {
  readonly #dialect: Dialect

  constructor(dialect: Dialect) {
    this.#dialect = dialect
  }

  /** Makes the rows that there are not, and locks them all: looks of replicas are written one after the other. In
   *  order, so that replicas wait for each other instead of for ever. */
  locked(repositories: readonly RepositoryName[]): Statement {
    return {
      sql: `INSERT INTO repository (name, present, looked) SELECT found.name, 0, 0
            FROM ${this.#names} WHERE true ORDER BY found.name
            ON CONFLICT (name) DO UPDATE SET looked = repository.looked`,
      parameters: [JSON.stringify([...new Set(repositories)])],
    }
  }

  /** Which of the tags differ from the index: their positions in the list, and whether their manifest is described. */
  differing(tags: readonly RepositoryTag[]): Statement {
    const { elements, at } = this.#dialect
    return {
      sql: `SELECT found.position, manifest.size AS described
            FROM (SELECT ${at(0)} AS repository, ${at(1)} AS name, ${at(2)} AS digest, ${this.#number(3)} AS pushed,
                    ${this.#number(4)} AS position FROM ${elements}) found
            LEFT JOIN repository ON repository.name = found.repository AND repository.present = 1
            LEFT JOIN tag ON tag.repository = repository.id AND tag.name = found.name
            LEFT JOIN manifest ON manifest.digest = found.digest
            WHERE tag.digest IS DISTINCT FROM found.digest OR tag.pushed IS DISTINCT FROM found.pushed OR tag.size IS NULL`,
      parameters: [tagsJson(tags)],
    }
  }

  /** None for no summaries. */
  described(summaries: readonly ManifestSummary[]): Statement[] {
    if (summaries.length === 0) return []
    const { elements, at } = this.#dialect
    // Sorted, as the rows of repositories.
    const rows = summaries
      .map(({ digest, mediaType, artifactType, platforms, createdAt, size }) => [
        ...[digest, mediaType, artifactType, platforms.join(',')],
        ...[createdAt?.getTime() ?? null, size],
      ])
      .sort(([one], [other]) => (String(one) < String(other) ? -1 : 1))
    return [
      {
        sql: `INSERT INTO manifest (digest, media_type, artifact_type, platforms, created, size)
              SELECT ${at(0)}, ${at(1)}, ${at(2)}, ${at(3)}, ${this.#number(4)}, ${this.#number(5)}
              FROM ${elements} WHERE true ON CONFLICT (digest) DO UPDATE SET created = excluded.created,
                platforms = excluded.platforms, size = excluded.size`,
        parameters: [JSON.stringify(rows)],
      },
    ]
  }

  /** Writes tags unless a later look has seen their repository.
   *  @param changes the condition on a later look at the single tag */
  upserted(tags: readonly RepositoryTag[], look: number, changes: Statement): Statement {
    const { elements, at } = this.#dialect
    return {
      sql: `INSERT INTO tag (repository, name, digest, pushed, size, created)
            SELECT repository.id, found.name, found.digest, found.pushed, manifest.size, manifest.created
            FROM (SELECT ${at(0)} AS repository, ${at(1)} AS name, ${at(2)} AS digest, ${this.#number(3)} AS pushed
                  FROM ${elements}) found
            JOIN repository ON repository.name = found.repository
            LEFT JOIN manifest ON manifest.digest = found.digest
            WHERE repository.looked < ? AND ${changes.sql}
            ON CONFLICT (repository, name) DO UPDATE SET digest = excluded.digest, pushed = excluded.pushed,
              size = excluded.size, created = excluded.created`,
      parameters: [tagsJson(tags), look, ...(changes.parameters ?? [])],
    }
  }

  /** Removes tags unless a later look has seen their repository. None for no tags.
   *  @param changes as for `upserted` */
  removed(tags: readonly (readonly [RepositoryName, Tag])[], look: number, changes: Statement): Statement[] {
    if (tags.length === 0) return []
    const { elements, at } = this.#dialect
    return [
      {
        sql: `DELETE FROM tag WHERE id IN (
                SELECT tag.id FROM (SELECT ${at(0)} AS repository, ${at(1)} AS name FROM ${elements}) found
                JOIN repository ON repository.name = found.repository
                JOIN tag ON tag.repository = repository.id AND tag.name = found.name
                WHERE repository.looked < ? AND ${changes.sql})`,
        parameters: [JSON.stringify(tags), look, ...(changes.parameters ?? [])],
      },
    ]
  }

  /** Notes whether repositories are there, and counts a generation if that is new.
   *  @param options.looked the look that ends with it; undefined for one at single tags */
  present(
    repositories: readonly (readonly [RepositoryName, isPresent: boolean])[],
    { look, endsLook }: { look: number; endsLook: boolean },
  ): Statement[] {
    if (repositories.length === 0) return []
    const { elements, at } = this.#dialect
    const found = `(SELECT ${at(0)} AS name, ${this.#number(1)} AS present FROM ${elements}) found`
    const json = JSON.stringify(repositories.map(([name, isPresent]) => [name, isPresent ? 1 : 0]))
    const set = endsLook ? ', looked = ?' : ''
    return [
      {
        sql: `UPDATE state SET generation = generation + 1 WHERE EXISTS (
                SELECT 1 FROM ${found} JOIN repository ON repository.name = found.name
                WHERE repository.present <> found.present AND repository.looked < ?)`,
        parameters: [json, look],
      },
      {
        sql: `UPDATE repository SET present = found.present${set} FROM ${found}
              WHERE repository.name = found.name AND repository.looked < ?`,
        parameters: [...(endsLook ? [look] : []), json, look],
      },
    ]
  }

  /** Counts the tags of repositories again. */
  counted(repositories: readonly RepositoryName[]): Statement {
    return {
      sql: `UPDATE repository SET
              tags = (SELECT count(*) FROM tag WHERE tag.repository = repository.id),
              newest = (SELECT tag.name FROM tag WHERE tag.repository = repository.id AND tag.pushed IS NOT NULL
                        ORDER BY tag.pushed DESC, tag.id DESC LIMIT 1),
              pushed = (SELECT max(tag.pushed) FROM tag WHERE tag.repository = repository.id),
              size = (SELECT sum(one.size) FROM (SELECT max(tag.size) AS size FROM tag
                        WHERE tag.repository = repository.id GROUP BY tag.digest) one)
            WHERE name IN (SELECT found.name FROM ${this.#names})`,
      parameters: [JSON.stringify(repositories)],
    }
  }

  /** Writes how often repositories were pulled. */
  pulled(repositories: readonly RepositoryPulls[], look: number): Statement {
    const { elements, at } = this.#dialect
    const rows = repositories.map(({ repository, pulls }) => [
      ...[repository, pulls?.pulls ?? null],
      pulls?.lastPulledAt?.getTime() ?? null,
    ])
    return {
      sql: `UPDATE repository SET pulls = found.pulls, pulled = found.pulled, counted = ?
            FROM (SELECT ${at(0)} AS name, ${this.#number(1)} AS pulls, ${this.#number(2)} AS pulled FROM ${elements}) found
            WHERE repository.name = found.name AND repository.counted < ?`,
      parameters: [look, JSON.stringify(rows), look],
    }
  }

  /** Those of the repositories that the index has. */
  knownOf(repositories: Iterable<RepositoryName>): Statement {
    return {
      sql: `SELECT repository.name FROM ${this.#names} JOIN repository ON repository.name = found.name
            WHERE repository.present = 1`,
      parameters: [JSON.stringify([...repositories])],
    }
  }

  /** How many tags the index has of repositories. */
  sizes(repositories: readonly RepositoryName[]): Statement {
    return {
      sql: `SELECT repository.name, (SELECT count(*) FROM tag WHERE tag.repository = repository.id) AS tags
            FROM ${this.#names} JOIN repository ON repository.name = found.name`,
      parameters: [JSON.stringify(repositories)],
    }
  }

  /** The tags that the index has of repositories. */
  tagsOf(repositories: readonly RepositoryName[]): Statement {
    return {
      sql: `SELECT repository.name AS repository, tag.name FROM ${this.#names}
            JOIN repository ON repository.name = found.name JOIN tag ON tag.repository = repository.id`,
      parameters: [JSON.stringify(repositories)],
    }
  }

  /** Names, which it takes as an array. */
  get #names(): string {
    const { elements, whole } = this.#dialect
    return `(SELECT ${whole} AS name FROM ${elements}) found`
  }

  #number(index: number): string {
    return `CAST(${this.#dialect.at(index)} AS BIGINT)`
  }
}

/** Names and digests are of characters that JSON does not escape. */
function tagsJson(tags: readonly RepositoryTag[]): string {
  const rows = tags.map(
    ({ repository, tag, digest, setAt }, position) =>
      `["${repository}","${tag}","${digest}",${setAt.getTime()},${position}]`,
  )
  return `[${rows.join(',')}]`
}
