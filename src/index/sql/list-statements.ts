import type { IndexQuery, Position } from '../../core/catalog/catalog-index.ts'
import type { Dialect, SqlValue, Statement } from './engine.ts'

/** A condition with its parameters. */
export type Condition = Statement

export interface ListParts {
  readonly dialect: Dialect
  /** `SELECT … FROM …`. */
  readonly select: string
  readonly conditions: readonly Condition[]
  /** The column of the order's key, and whether it may be null. */
  readonly column: string
  readonly isNullable: boolean
  /** The column of the identifiers, which orders equal values. */
  readonly id: string
  /** The identifier at a position; takes its parameters. */
  readonly idAt: (position: Position) => Condition
  /** True if the conditions find fewer entries than the order's index would read. */
  readonly isSelective: boolean
}

/** The statements that give a page together, and one entry more: the known values in order, then the unknown
 *  ones. */
export function listStatements(
  { order, after, count }: Pick<IndexQuery<string>, 'order' | 'after' | 'count'>,
  parts: ListParts,
): Statement[] {
  const { dialect, isSelective, isNullable } = parts
  const column = isSelective ? dialect.unindexed(parts.column) : parts.column
  const direction = order.descending ? 'DESC' : 'ASC'
  const statements: Statement[] = []
  if (after === undefined || after.value !== null) {
    const known = isNullable ? [{ sql: `${parts.column} IS NOT NULL` }] : []
    const behind = after === undefined ? [] : [behindValue(after, { ...parts, column, direction })]
    const by = `${column} ${direction}, ${parts.id} ${direction}`
    statements.push(statementOf(parts, [...known, ...behind], { by, count }))
  }
  if (isNullable) {
    const behind = after?.value === null ? [behindId(after, { ...parts, direction })] : []
    const conditions = [{ sql: `${parts.column} IS NULL` }, ...behind]
    statements.push(statementOf(parts, conditions, { by: `${parts.id} ${direction}`, count }))
  }
  return statements
}

type Direction = 'ASC' | 'DESC'

function behindValue(after: Position, parts: ListParts & { direction: Direction }): Condition {
  const { column, id, direction } = parts
  const at = idAt(after, parts)
  return {
    sql: `(${column}, ${id}) ${direction === 'ASC' ? '>' : '<'} (?, ${at.sql})`,
    parameters: [after.value, ...(at.parameters ?? [])],
  }
}

function behindId(after: Position, parts: ListParts & { direction: Direction }): Condition {
  const at = idAt(after, parts)
  return {
    sql: `${parts.id} ${parts.direction === 'ASC' ? '>' : '<'} ${at.sql}`,
    parameters: at.parameters ?? [],
  }
}

/** If the entry is gone, equal values are listed again rather than left out. */
function idAt(after: Position, { idAt, direction }: ListParts & { direction: Direction }): Condition {
  const { sql, parameters = [] } = idAt(after)
  return { sql: `COALESCE((${sql}), ${direction === 'ASC' ? 0 : Number.MAX_SAFE_INTEGER})`, parameters }
}

function statementOf(
  { select, conditions }: ListParts,
  more: readonly Condition[],
  { by, count }: { by: string; count: number },
): Statement {
  const all = [...conditions, ...more]
  const where = all.length === 0 ? '' : `WHERE ${all.map(({ sql }) => `(${sql})`).join(' AND ')}`
  const parameters: SqlValue[] = all.flatMap(({ parameters = [] }) => parameters)
  return { sql: `${select} ${where} ORDER BY ${by} LIMIT ${count + 1}`, parameters }
}
