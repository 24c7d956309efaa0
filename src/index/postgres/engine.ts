import { Pool, type PoolClient, TypeOverrides, types } from 'pg'
import { RegistryError } from '../../core/errors.ts'
import type { Log } from '../../core/log.ts'
import type { Row, SqlEngine, Statement } from '../sql/engine.ts'
import { firstState, SCHEMA_VERSION, tables } from '../sql/schema.ts'
import { POSTGRES_DIALECT } from './dialect.ts'

export interface PostgresOptions {
  /** `postgres://user:password@host/database`. */
  readonly url: string
  /** Names the storage that the index is of. */
  readonly source: string
  readonly log: Log
}

const SCHEMA = 'entrepot_index'
const CONNECTIONS = 5
const CONNECT_MS = 5_000
const STATEMENT_MS = 30_000
/** A number for the lock under which the tables are made. */
const LOCK = 7_308_332

/** PostgreSQL, which replicas share. The tables are in a schema of their own. */
export class PostgresEngine implements SqlEngine {
  readonly dialect = POSTGRES_DIALECT
  readonly #pool: Pool
  readonly #source: string
  #opening: Promise<void> | undefined

  private constructor({ url, source, log }: PostgresOptions) {
    this.#source = source
    this.#pool = new Pool({
      connectionString: url,
      max: CONNECTIONS,
      connectionTimeoutMillis: CONNECT_MS,
      statement_timeout: STATEMENT_MS,
      types: numbersForBigints(),
    })
    this.#pool.on('error', (err) => log.warn({ err }, 'a connection to PostgreSQL was lost'))
  }

  /** Does not connect yet: the registry starts without its index. */
  static open(options: PostgresOptions): PostgresEngine {
    return new PostgresEngine(options)
  }

  async run(statements: readonly Statement[], { writes = false } = {}): Promise<readonly Row[][]> {
    try {
      await this.#opened()
      return await this.#during(writes, (client) => runAll(client, statements))
    } catch (cause) {
      throw new RegistryError('UNAVAILABLE', { message: 'the index is not available', cause })
    }
  }

  async reset(): Promise<void> {
    await this.#during(true, (client) => this.#make(client))
  }

  async close(): Promise<void> {
    await this.#pool.end()
  }

  #opened(): Promise<void> {
    this.#opening ??= this.#during(true, async (client) => {
      if (!(await this.#isUsable(client))) await this.#make(client)
    }).catch((error) => {
      this.#opening = undefined
      throw error
    })
    return this.#opening
  }

  async #during<Result>(writes: boolean, work: (client: PoolClient) => Promise<Result>): Promise<Result> {
    const client = await this.#pool.connect()
    let failure: Error | undefined
    try {
      // One view of all statements, unless rows have to be locked.
      await client.query(writes ? 'BEGIN' : 'BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY')
      await client.query(`SET LOCAL search_path TO ${SCHEMA}, public`)
      const result = await work(client)
      await client.query('COMMIT')
      return result
    } catch (error) {
      await client.query('ROLLBACK').catch((rollbackFailure: Error) => {
        failure = rollbackFailure
      })
      throw error
    } finally {
      client.release(failure)
    }
  }

  async #isUsable(client: PoolClient): Promise<boolean> {
    await client.query('SELECT pg_advisory_xact_lock($1)', [LOCK])
    const { rows } = await client.query('SELECT to_regclass($1) IS NOT NULL AS found', [`${SCHEMA}.state`])
    if (!rows[0]?.found) return false
    const state = await client.query('SELECT version, source FROM state')
    return state.rows[0]?.version === SCHEMA_VERSION && state.rows[0]?.source === this.#source
  }

  async #make(client: PoolClient): Promise<void> {
    await client.query('SELECT pg_advisory_xact_lock($1)', [LOCK])
    await client.query(`DROP SCHEMA IF EXISTS ${SCHEMA} CASCADE; CREATE SCHEMA ${SCHEMA}`)
    for (const sql of tables({ id: 'BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY', isPostgres: true }))
      await client.query(sql)
    await runAll(client, [firstState(this.#source)])
    await makeTextIndex(client)
  }
}

/** Where the extension may not be created, a search reads the names one by one. */
async function makeTextIndex(client: PoolClient): Promise<void> {
  await client.query('SAVEPOINT text_index')
  try {
    await client.query('CREATE EXTENSION IF NOT EXISTS pg_trgm SCHEMA public')
    await client.query('CREATE INDEX tag_text ON tag USING gin (name gin_trgm_ops)')
  } catch {
    await client.query('ROLLBACK TO SAVEPOINT text_index')
  }
}

async function runAll(client: PoolClient, statements: readonly Statement[]): Promise<Row[][]> {
  const results: Row[][] = []
  for (const { sql, parameters = [] } of statements) {
    const { rows } = await client.query(numbered(sql), [...parameters])
    results.push(rows as Row[])
  }
  return results
}

function numbered(sql: string): string {
  let count = 0
  return sql.replaceAll('?', () => `$${++count}`)
}

/** Times and sizes are far below the limit of exact numbers. */
function numbersForBigints(): TypeOverrides {
  const overrides = new TypeOverrides()
  overrides.setTypeParser(types.builtins.INT8, Number)
  return overrides
}
