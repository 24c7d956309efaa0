import type { RepositoryName } from '../../core/reference.ts'
import type { Row, SqlEngine, Statement } from './engine.ts'
import type { Condition } from './list-statements.ts'

interface Names {
  readonly generation: number
  readonly repositories: readonly { readonly id: number; readonly name: RepositoryName }[]
}

export type Sees = (repository: RepositoryName) => boolean

/** The repositories that a client sees. */
export interface Visible {
  /** Undefined if it sees all. */
  readonly ids: readonly number[] | undefined
  /** True if it sees few of them. */
  readonly isSmall: boolean
}

const GENERATION: Statement = { sql: 'SELECT generation FROM state' }
/** Below this part of all repositories, their tags are read rather than all tags in order. */
const SMALL_PART = 1 / 20
const ATTEMPTS = 3

/** Applies the rights of clients. The names of all repositories are in memory; a query names those that the client
 *  sees. If it sees all, it names none, and counts only if no repository was added or removed meanwhile. */
export class VisibleRepositories {
  readonly #engine: SqlEngine
  #names: Names | undefined

  constructor(engine: SqlEngine) {
    this.#engine = engine
  }

  /** Runs the statements for the repositories that a client sees. */
  async query(
    sees: Sees,
    statementsFor: (visible: Visible) => readonly Statement[] | Promise<readonly Statement[]>,
  ): Promise<readonly Row[][]> {
    for (let attempt = 1; ; attempt++) {
      const names = this.#names ?? (await this.#read())
      const visible = visibleOf(names, sees, { isExplicit: attempt > ATTEMPTS })
      const statements = await statementsFor(visible)
      const [state, ...results] = await this.#engine.run([GENERATION, ...statements])
      const isCurrent = state?.[0]?.generation === names.generation
      if (!isCurrent) this.#names = undefined
      if (isCurrent || (visible.ids !== undefined && attempt > 1)) return results
    }
  }

  /** The names that the client sees. */
  async names(sees: Sees): Promise<RepositoryName[]> {
    const [state] = await this.#engine.run([GENERATION])
    const isCurrent = this.#names?.generation === state?.[0]?.generation
    const { repositories } = isCurrent && this.#names ? this.#names : await this.#read()
    return repositories.map(({ name }) => name).filter(sees)
  }

  async #read(): Promise<Names> {
    const list = { sql: 'SELECT id, name FROM repository WHERE present = 1' }
    const [state, repositories] = await this.#engine.run([GENERATION, list])
    const generation = Number(state?.[0]?.generation)
    this.#names = { generation, repositories: (repositories ?? []) as unknown as Names['repositories'] }
    return this.#names
  }
}

function visibleOf({ repositories }: Names, sees: Sees, { isExplicit }: { isExplicit: boolean }): Visible {
  const seen = repositories.filter(({ name }) => sees(name))
  const ids = seen.length === repositories.length && !isExplicit ? undefined : seen.map(({ id }) => id)
  return { ids, isSmall: ids !== undefined && seen.length < repositories.length * SMALL_PART }
}

/** The condition that a column is one of the visible repositories. */
export function amongVisible(
  column: string,
  { ids, isSmall }: Visible,
  { dialect }: Pick<SqlEngine, 'dialect'>,
): Condition[] {
  if (ids === undefined) return []
  const [only] = ids
  if (ids.length === 1 && only !== undefined) return [{ sql: `${column} = ?`, parameters: [only] }]
  const indexed = isSmall ? column : dialect.unindexed(column)
  return [
    {
      sql: `${indexed} IN (SELECT CAST(${dialect.whole} AS BIGINT) FROM ${dialect.elements})`,
      parameters: [JSON.stringify(ids)],
    },
  ]
}
