import type { ComponentChildren } from 'preact'

export interface Column<Row> {
  readonly key: string
  readonly title: string
  /** The key by which the server sorts; undefined if it does not. */
  readonly sort?: string | undefined
  /** The order of the first click. */
  readonly isDescendingFirst?: boolean
  readonly isNumeric?: boolean
  /** Columns that a narrow screen leaves out. */
  readonly isWide?: boolean
  readonly cell: (row: Row) => ComponentChildren
}

export interface Selection {
  readonly keys: ReadonlySet<string>
  set(keys: ReadonlySet<string>): void
}

export interface TableProps<Row> {
  /** Says what the table lists. */
  readonly caption: string
  readonly columns: readonly Column<Row>[]
  readonly rows: readonly Row[]
  readonly keyOf: (row: Row) => string
  /** Copied by the key `c`. */
  readonly copyOf?: (row: Row) => string
  /** The present order, such as `-pushed`. */
  readonly sort?: string
  readonly onSort?: (sort: string) => void
  readonly selection?: Selection | undefined
}

/** The one table of the page. The first link in each row is where the keys `j`, `k` and `Enter` lead. */
export function Table<Row>({
  caption,
  columns,
  rows,
  keyOf,
  copyOf,
  sort,
  onSort,
  selection,
}: TableProps<Row>) {
  const all = rows.map(keyOf)
  const isAllSelected =
    selection !== undefined && all.length > 0 && all.every((key) => selection.keys.has(key))
  return (
    <table class="table">
      <caption class="visually-hidden">{caption}</caption>
      <thead>
        <tr>
          {selection !== undefined && (
            <th class="select" scope="col">
              <input
                type="checkbox"
                aria-label="Select all on this page"
                checked={isAllSelected}
                onChange={() => selection.set(new Set(isAllSelected ? [] : all))}
              />
            </th>
          )}
          {columns.map((column) => (
            <Heading key={column.key} column={column} sort={sort} onSort={onSort} />
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => {
          const key = keyOf(row)
          const isSelected = selection?.keys.has(key) === true
          return (
            <tr key={key} class={isSelected ? 'selected' : ''} data-copy={copyOf?.(row)}>
              {selection !== undefined && (
                <td class="select">
                  <input
                    type="checkbox"
                    aria-label={`Select ${key}`}
                    checked={isSelected}
                    onChange={() => selection.set(toggled(selection.keys, key))}
                  />
                </td>
              )}
              {columns.map((column) => (
                <td key={column.key} class={classOf(column)}>
                  {column.cell(row)}
                </td>
              ))}
            </tr>
          )
        })}
      </tbody>
    </table>
  )
}

function Heading<Row>({
  column,
  sort = '',
  onSort,
}: {
  column: Column<Row>
  sort: string | undefined
  onSort: ((sort: string) => void) | undefined
}) {
  const { title, sort: key, isDescendingFirst = false } = column
  if (key === undefined || onSort === undefined) {
    return (
      <th scope="col" class={classOf(column)}>
        {title}
      </th>
    )
  }
  const isSorted = sort === key || sort === `-${key}`
  const isDescending = sort === `-${key}`
  const next = (isSorted ? !isDescending : isDescendingFirst) ? `-${key}` : key
  const order = isDescending ? 'descending' : 'ascending'
  return (
    <th scope="col" class={classOf(column)} aria-sort={isSorted ? order : 'none'}>
      <button type="button" class="sort" onClick={() => onSort(next)}>
        {title}
        <span class={`arrow ${isSorted ? order : ''}`} aria-hidden="true" />
      </button>
    </th>
  )
}

function classOf<Row>({ isNumeric = false, isWide = false }: Column<Row>): string {
  return `${isNumeric ? 'numeric' : ''} ${isWide ? 'wide' : ''}`.trim()
}

function toggled(keys: ReadonlySet<string>, key: string): ReadonlySet<string> {
  const next = new Set(keys)
  if (!next.delete(key)) next.add(key)
  return next
}
