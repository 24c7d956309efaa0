/** The thread that has SQLite, whose calls are synchronous. */
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { parentPort, workerData } from 'node:worker_threads'
import { LRUCache } from 'lru-cache'
import type { Row, Statement } from '../sql/engine.ts'
import { firstState, SCHEMA_VERSION, tables } from '../sql/schema.ts'
import { TEXT_INDEX } from './dialect.ts'
import type { ThreadAnswer, ThreadData, ThreadRequest } from './messages.ts'

const { path, source } = workerData as ThreadData
const MAX_STATEMENTS = 200

const database = new DatabaseSync(path, { timeout: 10_000 })
const prepared = new LRUCache<string, StatementSync>({ max: MAX_STATEMENTS })
database.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -32000;')
if (!isUsable()) reset()

parentPort?.on('message', ({ id, statements, writes }: ThreadRequest) => {
  parentPort?.postMessage({ id, ...answerTo(statements, writes) } satisfies ThreadAnswer)
})
parentPort?.postMessage({ id: 0, results: [] } satisfies ThreadAnswer)

function answerTo(statements: readonly Statement[] | 'reset' | 'close', writes: boolean) {
  try {
    if (statements === 'reset') reset()
    else if (statements === 'close') close()
    else return { results: during(writes, () => statements.map(run)) }
    return { results: [] }
  } catch (error) {
    const { message, errcode } = error as Error & { errcode?: number }
    return { error: message, errorCode: errcode }
  }
}

function during<Result>(writes: boolean, work: () => Result): Result {
  database.exec(writes ? 'BEGIN IMMEDIATE' : 'BEGIN')
  try {
    const result = work()
    database.exec('COMMIT')
    return result
  } catch (error) {
    if (database.isTransaction) database.exec('ROLLBACK')
    throw error
  }
}

function run({ sql, parameters = [] }: Statement): Row[] {
  let statement = prepared.get(sql)
  if (statement === undefined) {
    statement = database.prepare(sql)
    prepared.set(sql, statement)
  }
  return statement.all(...parameters) as Row[]
}

/** False for an index of another version, or of another storage, or for no index at all. */
function isUsable(): boolean {
  const [table] = run({ sql: "SELECT 1 AS found FROM sqlite_schema WHERE name = 'state'" })
  if (table === undefined) return false
  const [state] = run({ sql: 'SELECT version FROM state' })
  if (state?.version !== SCHEMA_VERSION) return false
  return run({ sql: 'SELECT source FROM state' })[0]?.source === source
}

/** Another process may do so at the same time, so it is asked again once the database is locked. */
function reset(): void {
  prepared.clear()
  during(true, () => {
    const found = run({
      sql: "SELECT type, name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name NOT LIKE 'tag_text_%'",
    })
    for (const { name } of found) database.exec(`DROP TABLE IF EXISTS "${name}"`)
    for (const sql of tables({ id: 'INTEGER PRIMARY KEY AUTOINCREMENT', isPostgres: false }))
      database.exec(sql)
    for (const sql of TEXT_INDEX) database.exec(sql)
    run(firstState(source))
  })
  prepared.clear()
}

function close(): void {
  prepared.clear()
  database.close()
  parentPort?.close()
}
