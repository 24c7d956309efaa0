import { afterAll, beforeAll } from 'vitest'
import { PostgresEngine } from '../../src/index/postgres/engine.ts'
import { describeCatalogIndex } from '../contract/catalog-index/catalog-index.ts'
import { silent } from '../support/catalog-index.ts'
import { Postgres } from '../support/postgres.ts'

let postgres: Postgres
beforeAll(async () => {
  postgres = await Postgres.start()
})
afterAll(() => postgres[Symbol.asyncDispose]())

describeCatalogIndex('PostgreSQL', async () =>
  PostgresEngine.open({ url: postgres.url, source: 'the test', log: silent }),
)
