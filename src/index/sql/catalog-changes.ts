import type { ManifestSummary } from '../../core/catalog/catalog-index.ts'
import type { RepositoryName, Tag } from '../../core/reference.ts'
import { ChangeStatements, type RepositoryPulls, type RepositoryTag } from './change-statements.ts'
import type { SqlEngine, Statement } from './engine.ts'

/** A tag that the index has not, or has otherwise. */
export interface DifferentTag {
  readonly entry: RepositoryTag
  /** False if the manifest has to be read. */
  readonly isDescribed: boolean
}

/** What a look at a whole repository has seen. */
export interface RepositorySeen extends RepositoryPulls {
  /** The names of its tags. */
  readonly found: ReadonlySet<string>
  readonly isPresent: boolean
}

/** What a look at some tags of repositories has found. */
export interface TagsSeen {
  readonly repositories: readonly RepositoryName[]
  readonly entries: readonly RepositoryTag[]
  readonly gone: readonly (readonly [RepositoryName, Tag])[]
}

/** Changes of the index. Each of them is one transaction, about as many repositories as there are. */
export class CatalogChanges {
  readonly #engine: SqlEngine
  readonly #statements: ChangeStatements

  constructor(engine: SqlEngine) {
    this.#engine = engine
    this.#statements = new ChangeStatements(engine.dialect)
  }

  /** Numbers a look at storage that begins now: of two, the later one prevails. */
  async look(): Promise<number> {
    const [rows] = await this.#write([{ sql: 'UPDATE state SET look = look + 1 RETURNING look' }])
    return Number(rows?.[0]?.look)
  }

  /** Those of the tags that differ from the index. */
  async differing(entries: readonly RepositoryTag[]): Promise<DifferentTag[]> {
    const [rows = []] = await this.#engine.run([this.#statements.differing(entries)])
    return rows.map(({ position, described }) => ({
      entry: entries[Number(position)] as RepositoryTag,
      isDescribed: described !== null,
    }))
  }

  /** Writes tags that a look at whole repositories has found. */
  async put(
    look: number,
    entries: readonly RepositoryTag[],
    summaries: readonly ManifestSummary[],
  ): Promise<void> {
    const statements = this.#statements
    await this.#write([
      statements.locked(entries.map(({ repository }) => repository)),
      ...statements.described(summaries),
      statements.upserted(entries, look, unlessChangedAfter(look, 'found')),
    ])
  }

  /** Ends a look at whole repositories: tags that it has not found are removed. */
  async finish(look: number, seen: readonly RepositorySeen[]): Promise<void> {
    if (seen.length === 0) return
    const statements = this.#statements
    const names = seen.map(({ repository }) => repository)
    await this.#write([
      statements.locked(names),
      ...statements.removed(await this.#goneFrom(seen), look, unlessChangedAfter(look, 'tag')),
      statements.counted(names),
      statements.pulled(seen, look),
      ...statements.present(
        seen.map(({ repository, isPresent }) => [repository, isPresent]),
        { look, endsLook: true },
      ),
    ])
  }

  /** Writes what a look at single tags has found. */
  async set(
    look: number,
    { repositories, entries, gone }: TagsSeen,
    summaries: readonly ManifestSummary[],
  ): Promise<void> {
    const { elements, at } = this.#engine.dialect
    const statements = this.#statements
    const isLatest = (tag: string): Statement => ({
      sql: `EXISTS (SELECT 1 FROM change WHERE change.repository = repository.id AND change.name = ${tag}.name AND change.looked = ?)`,
      parameters: [look],
    })
    const looked = [...entries.map(({ repository, tag }) => [repository, tag] as const), ...gone]
    const present = new Set(entries.map(({ repository }) => repository))
    await this.#write([
      statements.locked(repositories),
      ...statements.described(summaries),
      {
        sql: `INSERT INTO change (repository, name, looked)
              SELECT repository.id, found.name, CAST(? AS BIGINT)
              FROM (SELECT ${at(0)} AS repository, ${at(1)} AS name FROM ${elements}) found
              JOIN repository ON repository.name = found.repository WHERE true
              ON CONFLICT (repository, name) DO UPDATE SET looked = excluded.looked WHERE change.looked < excluded.looked`,
        parameters: [look, JSON.stringify(looked)],
      },
      statements.upserted(entries, look, isLatest('found')),
      ...statements.removed(gone, look, isLatest('tag')),
      ...statements.present(
        [...present].map((repository) => [repository, true]),
        { look, endsLook: false },
      ),
      statements.counted(repositories),
    ])
  }

  /** Writes how often a repository was pulled. Those that the index does not have are left out. */
  async setPulls(look: number, pulls: RepositoryPulls): Promise<void> {
    await this.#write([this.#statements.pulled([pulls], look)])
  }

  /** Ends a sweep over all of storage.
   *  @param options.look of its begin
   *  @returns false if the index was emptied meanwhile, so that it may not be complete */
  async swept({ look, startedAt }: { look: number; startedAt: Date }): Promise<boolean> {
    const [ended = []] = await this.#write([
      {
        sql: 'UPDATE state SET complete = 1, as_of = ? WHERE first_look < ? RETURNING complete',
        parameters: [startedAt.getTime(), look],
      },
      { sql: 'DELETE FROM change WHERE looked < ?', parameters: [look] },
      { sql: 'DELETE FROM repository WHERE present = 0 AND looked < ?', parameters: [look] },
    ])
    await this.#removeUnused()
    return ended.length > 0
  }

  /** True if a sweep has ended since the index was made. */
  async isComplete(): Promise<boolean> {
    const [rows] = await this.#engine.run([{ sql: 'SELECT complete FROM state' }])
    return Number(rows?.[0]?.complete) === 1
  }

  /** Those of the repositories that the index has. */
  async has(repositories: Iterable<RepositoryName>): Promise<Set<RepositoryName>> {
    const [rows = []] = await this.#engine.run([this.#statements.knownOf(repositories)])
    return new Set(rows.map(({ name }) => name as RepositoryName))
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

  /** The tags that only the index has. */
  async #goneFrom(seen: readonly RepositorySeen[]): Promise<(readonly [RepositoryName, Tag])[]> {
    const found = new Map(seen.map((one) => [one.repository as string, one.found]))
    const names = seen.map(({ repository }) => repository)
    const [sizes = []] = await this.#engine.run([this.#statements.sizes(names)])
    const differing = sizes.filter(({ name, tags }) => Number(tags) !== found.get(String(name))?.size)
    if (differing.length === 0) return []
    const [rows = []] = await this.#engine.run([
      this.#statements.tagsOf(differing.map(({ name }) => name as RepositoryName)),
    ])
    return rows
      .filter(({ repository, name }) => !found.get(String(repository))?.has(String(name)))
      .map(({ repository, name }) => [repository as RepositoryName, name as Tag])
  }

  #write(statements: readonly Statement[]) {
    return this.#engine.run(statements, { writes: true })
  }
}

/** @param tag the table of the tag */
function unlessChangedAfter(look: number, tag: string): Statement {
  return {
    sql: `NOT EXISTS (SELECT 1 FROM change WHERE change.repository = repository.id AND change.name = ${tag}.name
            AND change.looked > ?)`,
    parameters: [look],
  }
}
