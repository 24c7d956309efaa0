import { setTimeout as delay } from 'node:timers/promises'
import type {
  CatalogIndex,
  IndexedRepository,
  IndexedTag,
  IndexPage,
  IndexState,
  RepositoriesQuery,
  TagsQuery,
} from '../core/catalog/catalog-index.ts'
import type { RepositoryName } from '../core/reference.ts'
import type { Feeder } from './feeding/feeder.ts'
import { CatalogQueries } from './sql/catalog-queries.ts'
import type { SqlEngine } from './sql/engine.ts'

/** How long a question waits for news: of a repository that it opens, or of other replicas. */
const PATIENCE_MS = 300

/** The index in a database. */
export class SqlCatalogIndex implements CatalogIndex {
  readonly #queries: CatalogQueries
  readonly #feeder: Pick<Feeder, 'compare' | 'catchUp'>

  constructor(engine: SqlEngine, feeder: Pick<Feeder, 'compare' | 'catchUp'>) {
    this.#queries = new CatalogQueries(engine)
    this.#feeder = feeder
  }

  async repositories(query: RepositoriesQuery): Promise<IndexPage<IndexedRepository>> {
    await this.#catchUp()
    return this.#queries.repositories(query)
  }

  /** Tags of one repository are compared with storage instead. */
  async tags(query: TagsQuery): Promise<IndexPage<IndexedTag>> {
    if (query.repository === undefined) await this.#catchUp()
    return this.#queries.tags(query)
  }

  async names(sees: (repository: RepositoryName) => boolean): Promise<readonly RepositoryName[]> {
    await this.#catchUp()
    return this.#queries.names(sees)
  }

  state(): Promise<IndexState> {
    return this.#queries.state()
  }

  async compare(repository: RepositoryName): Promise<void> {
    await waitAWhile(this.#feeder.compare(repository).catch(() => {}))
  }

  /** What a question waits for goes on if it takes long. */
  #catchUp(): Promise<void> | undefined {
    const caughtUp = this.#feeder.catchUp()
    return caughtUp && waitAWhile(caughtUp)
  }
}

async function waitAWhile(work: Promise<void>): Promise<void> {
  await Promise.race([work, delay(PATIENCE_MS, undefined, { ref: false })])
}
