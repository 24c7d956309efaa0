import type { Dialect } from '../sql/engine.ts'

export const POSTGRES_DIALECT: Dialect = {
  elements: 'jsonb_array_elements(?::jsonb) AS elements (value)',
  whole: "(value #>> '{}')",
  at: (index) => `(value ->> ${index})`,
  unindexed: (column) => column,
  contains: (column) => `${column} ILIKE ? ESCAPE '\\'`,
  pattern: (word) => `%${word.replace(/[\\%_]/g, '\\$&')}%`,
  // The planner knows how often a text occurs.
  textMatch: undefined,
}
