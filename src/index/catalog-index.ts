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

/** How long the first page of a repository waits for its comparison with storage. */
const COMPARISON_MS = 300

/** The index in a database. */
export class SqlCatalogIndex implements CatalogIndex {
  readonly #queries: CatalogQueries
  readonly #feeder: Pick<Feeder, 'compare'>

  constructor(engine: SqlEngine, feeder: Pick<Feeder, 'compare'>) {
    this.#queries = new CatalogQueries(engine)
    this.#feeder = feeder
  }

  repositories(query: RepositoriesQuery): Promise<IndexPage<IndexedRepository>> {
    return this.#queries.repositories(query)
  }

  tags(query: TagsQuery): Promise<IndexPage<IndexedTag>> {
    return this.#queries.tags(query)
  }

  names(sees: (repository: RepositoryName) => boolean): Promise<readonly RepositoryName[]> {
    return this.#queries.names(sees)
  }

  state(): Promise<IndexState> {
    return this.#queries.state()
  }

  async compare(repository: RepositoryName): Promise<void> {
    const compared = this.#feeder.compare(repository).catch(() => {})
    await Promise.race([compared, delay(COMPARISON_MS, undefined, { ref: false })])
  }
}
