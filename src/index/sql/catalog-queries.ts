import type {
  IndexedRepository,
  IndexedTag,
  IndexPage,
  IndexState,
  Position,
  RepositoriesQuery,
  RepositoryKey,
  TagsQuery,
} from '../../core/catalog/catalog-index.ts'
import type { Digest } from '../../core/digest.ts'
import type { RepositoryName, Tag } from '../../core/reference.ts'
import type { Row, SqlEngine, SqlValue, Statement } from './engine.ts'
import { type Condition, listStatements } from './list-statements.ts'
import { amongVisible, type Sees, type Visible, VisibleRepositories } from './visible.ts'

/** Questions to the index. */
export class CatalogQueries {
  readonly #engine: SqlEngine
  readonly #visible: VisibleRepositories

  constructor(engine: SqlEngine) {
    this.#engine = engine
    this.#visible = new VisibleRepositories(engine)
  }

  async state(): Promise<IndexState> {
    const [rows] = await this.#engine.run([{ sql: 'SELECT complete, as_of FROM state' }])
    const state = rows?.[0]
    return { isComplete: Number(state?.complete) === 1, asOf: dateOf(state?.as_of) }
  }

  names(sees: Sees): Promise<readonly RepositoryName[]> {
    return this.#visible.names(sees)
  }

  async repositories(query: RepositoriesQuery): Promise<IndexPage<IndexedRepository>> {
    const { key } = query.order
    const statementsFor = (visible: Visible) =>
      listStatements(query, {
        dialect: this.#engine.dialect,
        select: 'SELECT name, tags, newest, pushed, size, pulls, pulled FROM repository',
        conditions: [
          { sql: 'present = 1' },
          ...this.#containing('name', query.words),
          ...below(query.under),
          ...amongVisible('id', visible, this.#engine),
        ],
        column: key,
        isNullable: NULLABLE_KEYS.has(key),
        id: 'id',
        idAt: ({ repository }) => ({
          sql: 'SELECT id FROM repository WHERE name = ?',
          parameters: [repository],
        }),
        isSelective: visible.isSmall,
      })
    const rows = await this.#visible.query(query.sees, statementsFor)
    return pageOf(rows.flat(), query, repositoryOf, (row) => ({
      value: cursorValue(row[key]),
      repository: String(row.name),
      tag: '',
    }))
  }

  async tags(query: TagsQuery): Promise<IndexPage<IndexedTag>> {
    const { repository, repositoryWords: words } = query
    const sees: Sees = (name) =>
      (repository === undefined || name === repository) &&
      words.every((word) => name.includes(word)) &&
      query.sees(name)
    const rows = await this.#visible.query(sees, (visible) => this.#tagStatements(query, visible))
    return pageOf(rows.flat(), query, tagOf, (row) => ({
      value: cursorValue(row[query.order.key]),
      repository: String(row.repository_name),
      tag: String(row.name),
    }))
  }

  async #tagStatements(query: TagsQuery, visible: Visible): Promise<Statement[]> {
    const { digest, repository, words } = query
    const { key } = query.order
    const isOne = repository !== undefined
    const matched = isOne || digest !== undefined || visible.isSmall ? [] : await this.#matched(words)
    const isSelective = digest !== undefined || matched.length > 0 || (visible.isSmall && !isOne)
    const seen = { ...visible, isSmall: visible.isSmall && matched.length === 0 && digest === undefined }
    return listStatements(query, {
      dialect: this.#engine.dialect,
      select: TAGS,
      conditions: [
        ...(digest === undefined ? [] : [{ sql: 'tag.digest = ?', parameters: [digest] }]),
        ...amongVisible('tag.repository', seen, this.#engine),
        ...matched,
        ...this.#containing('tag.name', words),
      ],
      column: `tag.${key}`,
      isNullable: key !== 'name',
      id: 'tag.id',
      idAt: (position) => ({
        sql: 'SELECT t.id FROM tag t JOIN repository r ON r.id = t.repository WHERE r.name = ? AND t.name = ?',
        parameters: [position.repository, position.tag],
      }),
      isSelective,
    })
  }

  /** The condition that finds few tags by the text index. None if there is no word that does. */
  async #matched(words: readonly string[]): Promise<Condition[]> {
    const { textMatch } = this.#engine.dialect
    if (textMatch === undefined) return []
    const candidates = words.map(textMatch).filter(({ limit }) => limit > 0)
    if (candidates.length === 0) return []
    const counts = await this.#engine.run(candidates.map(({ probe }) => probe))
    const best = candidates
      .map((match, index) => ({ ...match, found: Number(counts[index]?.[0]?.found) }))
      .sort((one, other) => one.found - other.found)[0]
    return best !== undefined && best.found < best.limit ? [best.condition] : []
  }

  #containing(column: string, words: readonly string[]): Condition[] {
    const { dialect } = this.#engine
    return words.map((word) => ({ sql: dialect.contains(column), parameters: [dialect.pattern(word)] }))
  }
}

const TAGS = `SELECT tag.name, tag.digest, tag.pushed, tag.size, tag.created, repository.name AS repository_name,
    manifest.media_type, manifest.artifact_type, manifest.platforms
  FROM tag JOIN repository ON repository.id = tag.repository LEFT JOIN manifest ON manifest.digest = tag.digest`

const NULLABLE_KEYS: ReadonlySet<RepositoryKey> = new Set(['pushed', 'size', 'pulls'])

/** `0` is the character behind the slash. */
function below(namespace: string | undefined): Condition[] {
  if (namespace === undefined) return []
  return [{ sql: 'name > ? AND name < ?', parameters: [`${namespace}/`, `${namespace}0`] }]
}

function pageOf<Entry>(
  rows: readonly Row[],
  { count }: { count: number },
  entryOf: (row: Row) => Entry,
  positionOf: (row: Row) => Position,
): IndexPage<Entry> {
  const taken = rows.slice(0, count)
  const last = taken.at(-1)
  const next = rows.length > count && last !== undefined ? positionOf(last) : undefined
  return { entries: taken.map(entryOf), next }
}

function repositoryOf(row: Row): IndexedRepository {
  const pulls = numberOf(row.pulls)
  return {
    name: row.name as RepositoryName,
    tags: Number(row.tags),
    newestTag: row.newest as Tag | null,
    pushedAt: dateOf(row.pushed),
    size: numberOf(row.size),
    pulls: pulls === null ? null : { pulls, lastPulledAt: dateOf(row.pulled) },
  }
}

function tagOf(row: Row): IndexedTag {
  return {
    repository: row.repository_name as RepositoryName,
    name: row.name as Tag,
    digest: row.digest as Digest,
    mediaType: String(row.media_type ?? ''),
    artifactType: row.artifact_type as string | null,
    platforms: row.platforms ? String(row.platforms).split(',') : [],
    createdAt: dateOf(row.created),
    pushedAt: dateOf(row.pushed),
    size: numberOf(row.size),
  }
}

function dateOf(value: SqlValue | undefined): Date | null {
  const milliseconds = numberOf(value)
  return milliseconds === null ? null : new Date(milliseconds)
}

function numberOf(value: SqlValue | undefined): number | null {
  return value === null || value === undefined ? null : Number(value)
}

function cursorValue(value: SqlValue | undefined): string | number | null {
  return value ?? null
}
