import type { ManifestSummary, PullSum } from '../../core/catalog/catalog-index.ts'
import type { Digest } from '../../core/digest.ts'
import type { RepositoryName, Tag } from '../../core/reference.ts'
import type { TagEntry } from '../../core/registry.ts'
import {
  appears,
  countedPulls,
  ID,
  LOOKED,
  locked,
  type RepositoryLook,
  statistics,
  tagsJson,
} from './change-statements.ts'
import type { SqlEngine, SqlValue, Statement } from './engine.ts'

/** A tag that the index has not, or has otherwise. */
export interface DifferentTag {
  readonly tag: Tag
  readonly digest: Digest
  /** False if the manifest has to be read. */
  readonly isDescribed: boolean
}

/** What a look at a whole repository has seen. */
export interface RepositorySeen {
  /** The names of its tags. */
  readonly found: ReadonlySet<string>
  readonly isPresent: boolean
  readonly pulls: PullSum | undefined
}

/** Changes of the index. Each of them is one transaction. */
export class CatalogChanges {
  readonly #engine: SqlEngine

  constructor(engine: SqlEngine) {
    this.#engine = engine
  }

  /** Numbers a look at storage that begins now. */
  async look(): Promise<number> {
    const [rows] = await this.#write([{ sql: 'UPDATE state SET look = look + 1 RETURNING look' }])
    return Number(rows?.[0]?.look)
  }

  /** Those of the entries that differ from the index. */
  async differing(repository: RepositoryName, entries: readonly TagEntry[]): Promise<DifferentTag[]> {
    const { elements, at } = this.#engine.dialect
    const [rows = []] = await this.#engine.run([
      {
        sql: `SELECT found.name, found.digest, manifest.size AS described
              FROM (SELECT ${at(0)} AS name, ${at(1)} AS digest, CAST(${at(2)} AS BIGINT) AS pushed FROM ${elements}) found
              LEFT JOIN tag ON tag.name = found.name
                AND tag.repository = (SELECT id FROM repository WHERE name = ? AND present = 1)
              LEFT JOIN manifest ON manifest.digest = found.digest
              WHERE tag.digest IS DISTINCT FROM found.digest OR tag.pushed IS DISTINCT FROM found.pushed OR tag.size IS NULL`,
        parameters: [tagsJson(entries), repository],
      },
    ])
    return rows.map(({ name, digest, described }) => ({
      tag: name as Tag,
      digest: digest as Digest,
      isDescribed: described !== null,
    }))
  }

  /** Writes entries that a look at the whole repository has found. */
  async put(
    { repository, look }: RepositoryLook,
    entries: readonly TagEntry[],
    summaries: readonly ManifestSummary[],
  ): Promise<void> {
    await this.#write([
      ...locked(repository),
      ...this.#described(summaries),
      this.#upsert(
        entries,
        {
          sql: `${LOOKED} < ? AND name NOT IN (SELECT name FROM change WHERE repository = ${ID} AND looked > ?)`,
          parameters: [repository, look, repository, look],
        },
        repository,
      ),
    ])
  }

  /** Ends a look at the whole repository: tags that it has not found are removed.
   *  @param seen.pulls undefined if they are not recorded */
  async finish(
    { repository, look }: RepositoryLook,
    { found, isPresent, pulls }: RepositorySeen,
  ): Promise<void> {
    const gone = await this.#goneFrom(repository, found)
    const present = isPresent ? 1 : 0
    const { elements, whole } = this.#engine.dialect
    await this.#write([
      ...locked(repository),
      {
        sql: `DELETE FROM tag WHERE repository = ${ID} AND ${LOOKED} < ? AND name IN (SELECT ${whole} FROM ${elements})
                AND name NOT IN (SELECT name FROM change WHERE repository = ${ID} AND looked > ?)`,
        parameters: [repository, repository, look, JSON.stringify(gone), repository, look],
      },
      {
        sql: `UPDATE state SET generation = generation + 1
              WHERE EXISTS (SELECT 1 FROM repository WHERE name = ? AND present <> ? AND looked < ?)`,
        parameters: [repository, present, look],
      },
      statistics(repository),
      countedPulls({ repository, look }, pulls),
      {
        sql: 'UPDATE repository SET present = ?, looked = ? WHERE name = ? AND looked < ?',
        parameters: [present, look, repository, look],
      },
    ])
  }

  /** Writes what a look at single tags has found. */
  async set(
    { repository, look }: RepositoryLook,
    { entries, gone }: { entries: readonly TagEntry[]; gone: readonly Tag[] },
    summaries: readonly ManifestSummary[],
  ): Promise<void> {
    const { elements, whole } = this.#engine.dialect
    const names = JSON.stringify([...entries.map(({ tag }) => tag), ...gone])
    const isLatest = {
      sql: `${LOOKED} < ? AND name IN (SELECT name FROM change WHERE repository = ${ID} AND looked = ?)`,
      parameters: [repository, look, repository, look],
    }
    await this.#write([
      ...locked(repository),
      ...this.#described(summaries),
      {
        sql: `INSERT INTO change (repository, name, looked) SELECT ${ID}, ${whole}, CAST(? AS BIGINT) FROM ${elements} WHERE true
              ON CONFLICT (repository, name) DO UPDATE SET looked = excluded.looked WHERE change.looked < excluded.looked`,
        parameters: [repository, look, names],
      },
      this.#upsert(entries, isLatest, repository),
      {
        sql: `DELETE FROM tag WHERE repository = ${ID} AND name IN (SELECT ${whole} FROM ${elements}) AND ${isLatest.sql}`,
        parameters: [repository, JSON.stringify(gone), ...isLatest.parameters],
      },
      ...(entries.length === 0 ? [] : appears(repository, look)),
      statistics(repository),
    ])
  }

  /** Writes how often a repository was pulled. Those that the index does not have are left out. */
  async setPulls(look: RepositoryLook, pulls: PullSum): Promise<void> {
    await this.#write([countedPulls(look, pulls)])
  }

  /** Ends a sweep over all of storage.
   *  @param options.look of its begin */
  async swept({ look, startedAt }: { look: number; startedAt: Date }): Promise<void> {
    await this.#write([
      {
        sql: 'UPDATE state SET complete = 1, as_of = ?',
        parameters: [startedAt.getTime()],
      },
      { sql: 'DELETE FROM change WHERE looked < ?', parameters: [look] },
      { sql: 'DELETE FROM repository WHERE present = 0 AND looked < ?', parameters: [look] },
    ])
    await this.#removeUnused()
  }

  /** True if a sweep has ended since the index was made. */
  async isComplete(): Promise<boolean> {
    const [rows] = await this.#engine.run([{ sql: 'SELECT complete FROM state' }])
    return Number(rows?.[0]?.complete) === 1
  }

  async has(repository: RepositoryName): Promise<boolean> {
    const sql = 'SELECT 1 AS found FROM repository WHERE name = ? AND present = 1'
    const [rows = []] = await this.#engine.run([{ sql, parameters: [repository] }])
    return rows.length > 0
  }

  /** The repositories that the index has. */
  async known(): Promise<RepositoryName[]> {
    const [rows = []] = await this.#engine.run([{ sql: 'SELECT name FROM repository WHERE present = 1' }])
    return rows.map(({ name }) => name as RepositoryName)
  }

  /** Removes summaries of manifests that no tag names, in steps, so that questions do not wait. */
  async #removeUnused(): Promise<void> {
    for (let after = ''; ; ) {
      const [rows = []] = await this.#engine.run([
        {
          sql: 'SELECT max(digest) AS last FROM (SELECT digest FROM manifest WHERE digest > ? ORDER BY digest LIMIT 2000) step',
          parameters: [after],
        },
      ])
      const last = rows[0]?.last
      if (typeof last !== 'string') return
      const unused = 'NOT EXISTS (SELECT 1 FROM tag WHERE tag.digest = manifest.digest)'
      await this.#write([
        {
          sql: `DELETE FROM manifest WHERE digest > ? AND digest <= ? AND ${unused}`,
          parameters: [after, last],
        },
      ])
      after = last
    }
  }

  async #goneFrom(repository: RepositoryName, found: ReadonlySet<string>): Promise<string[]> {
    const parameters = [repository]
    const [counted] = await this.#engine.run([
      { sql: `SELECT count(*) AS tags FROM tag WHERE repository = ${ID}`, parameters },
    ])
    if (Number(counted?.[0]?.tags) === found.size) return []
    const [rows = []] = await this.#engine.run([
      { sql: `SELECT name FROM tag WHERE repository = ${ID}`, parameters },
    ])
    return rows.map(({ name }) => String(name)).filter((name) => !found.has(name))
  }

  #described(summaries: readonly ManifestSummary[]): Statement[] {
    if (summaries.length === 0) return []
    const { elements, at } = this.#engine.dialect
    // Sorted, so that replicas that write the same ones wait for each other instead of for ever.
    const rows = summaries
      .map(({ digest, mediaType, artifactType, platforms, createdAt, size }) => [
        ...[digest, mediaType, artifactType, platforms.join(',')],
        ...[createdAt?.getTime() ?? null, size],
      ])
      .sort(([one], [other]) => (String(one) < String(other) ? -1 : 1))
    return [
      {
        sql: `INSERT INTO manifest (digest, media_type, artifact_type, platforms, created, size)
              SELECT ${at(0)}, ${at(1)}, ${at(2)}, ${at(3)}, CAST(${at(4)} AS BIGINT), CAST(${at(5)} AS BIGINT)
              FROM ${elements} WHERE true ON CONFLICT (digest) DO UPDATE SET created = excluded.created,
                platforms = excluded.platforms, size = excluded.size`,
        parameters: [JSON.stringify(rows)],
      },
    ]
  }

  #upsert(
    entries: readonly TagEntry[],
    condition: { sql: string; parameters: readonly SqlValue[] },
    repository: RepositoryName,
  ): Statement {
    const { elements, at } = this.#engine.dialect
    return {
      sql: `INSERT INTO tag (repository, name, digest, pushed, size, created)
            SELECT ${ID}, name, found.digest, pushed, manifest.size, manifest.created
            FROM (SELECT ${at(0)} AS name, ${at(1)} AS digest, CAST(${at(2)} AS BIGINT) AS pushed FROM ${elements}) found
            LEFT JOIN manifest ON manifest.digest = found.digest
            WHERE ${condition.sql}
            ON CONFLICT (repository, name) DO UPDATE SET digest = excluded.digest, pushed = excluded.pushed,
              size = excluded.size, created = excluded.created`,
      parameters: [repository, tagsJson(entries), ...condition.parameters],
    }
  }

  #write(statements: readonly Statement[]) {
    return this.#engine.run(statements, { writes: true })
  }
}
