import type { Dialect } from '../sql/engine.ts'

/** If a word is in more tags than this, reading them in order finds a page of them sooner. */
const MAX_MATCHES = 5_000
/** The text index knows sequences of three characters. */
const MIN_INDEXED_LENGTH = 3

export const SQLITE_DIALECT: Dialect = {
  elements: 'json_each(?)',
  unindexed: (column) => `+${column}`,
  whole: 'value',
  at: (index) => `(value ->> ${index})`,
  contains: (column) => `${column} LIKE ? ESCAPE '\\'`,
  pattern: (word) => `%${word.replace(/[\\%_]/g, '\\$&')}%`,
  textMatch: (word) => {
    const phrase = `"${word.replaceAll('"', '""')}"`
    const matches = 'SELECT rowid FROM tag_text WHERE tag_text MATCH ?'
    return {
      limit: word.length < MIN_INDEXED_LENGTH ? 0 : MAX_MATCHES,
      probe: {
        sql: `SELECT count(*) AS found FROM (${matches} LIMIT ${MAX_MATCHES})`,
        parameters: [phrase],
      },
      condition: { sql: `tag.id IN (${matches})`, parameters: [phrase] },
    }
  },
}

/** The text index of the tags' names, kept by triggers. */
export const TEXT_INDEX: readonly string[] = [
  `CREATE VIRTUAL TABLE tag_text USING fts5(
     name, content='tag', content_rowid='id', tokenize='trigram', detail='full')`,
  `CREATE TRIGGER tag_added AFTER INSERT ON tag BEGIN
     INSERT INTO tag_text (rowid, name) VALUES (new.id, new.name); END`,
  `CREATE TRIGGER tag_removed AFTER DELETE ON tag BEGIN
     INSERT INTO tag_text (tag_text, rowid, name) VALUES ('delete', old.id, old.name); END`,
]
