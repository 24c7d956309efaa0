/** One statement, with `?` for each parameter. */
export interface Statement {
  readonly sql: string
  readonly parameters?: readonly SqlValue[]
}

export type SqlValue = string | number | null

export type Row = Readonly<Record<string, SqlValue>>

/** A database, which holds nothing that storage does not. */
export interface SqlEngine {
  readonly dialect: Dialect
  /** Runs the statements in one transaction.
   *  @returns the rows of each
   *  @throws RegistryError UNAVAILABLE if the database can't be used */
  run(statements: readonly Statement[], options?: { readonly writes?: boolean }): Promise<readonly Row[][]>
  /** Removes everything and makes the tables again. */
  reset(): Promise<void>
  close(): Promise<void>
}

/** Where the two databases differ. */
export interface Dialect {
  /** A table of the elements of a JSON array, one a row, in the column `value`; takes one parameter. */
  readonly elements: string
  /** The element itself, as text. */
  readonly whole: string
  /** The element at an index of `value`, an array, as text. */
  at(index: number): string
  /** The column, not to be read by its index. */
  unindexed(column: string): string
  /** True if a column has the text, regardless of case; takes one parameter, made by `pattern`. */
  contains(column: string): string
  pattern(word: string): string
  /** A condition on `tag.id` that finds the tags whose names contain the word by the text index, if that is
   *  better than reading the tags in order; takes one parameter. Undefined if the database decides by itself. */
  readonly textMatch: ((word: string) => TextMatch) | undefined
}

export interface TextMatch {
  /** Rows found by it, up to a limit; a column `found`. */
  readonly probe: Statement
  readonly limit: number
  readonly condition: Statement
}
