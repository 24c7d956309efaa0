import type { CatalogIndex, RepositoriesQuery, TagsQuery } from '../../src/core/catalog/catalog-index.ts'
import { newIndexFigures } from '../../src/core/catalog/index-figures.ts'
import type { Log } from '../../src/core/log.ts'
import type { Registry } from '../../src/core/registry.ts'
import { SqlCatalogIndex } from '../../src/index/catalog-index.ts'
import { Feeder, type FeederParts } from '../../src/index/feeding/feeder.ts'
import { IndexedRegistry } from '../../src/index/indexed-registry.ts'
import { CatalogChanges } from '../../src/index/sql/catalog-changes.ts'
import type { SqlEngine } from '../../src/index/sql/engine.ts'
import { SqliteEngine } from '../../src/index/sqlite/engine.ts'

export const silent: Log = { debug() {}, info() {}, warn() {}, error() {} }

/** An index over a registry, which notes the changes made by `registry`. */
export class IndexUnderTest implements AsyncDisposable {
  readonly index: CatalogIndex
  readonly feeder: Feeder
  readonly engine: SqlEngine
  readonly registry: Registry

  constructor(
    stored: Registry,
    engine: SqlEngine,
    options: Partial<Pick<FeederParts, 'sweepMs' | 'announcements' | 'log' | 'pulls' | 'figures'>> = {},
  ) {
    this.engine = engine
    this.feeder = new Feeder({
      registry: stored,
      changes: new CatalogChanges(engine),
      log: silent,
      figures: newIndexFigures(),
      sweepMs: 50,
      announcements: undefined,
      pulls: undefined,
      ...options,
    })
    this.index = new SqlCatalogIndex(engine, this.feeder)
    this.registry = new IndexedRegistry(stored, (repository, tags) => this.feeder.changed(repository, tags))
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.feeder.stop()
    await this.engine.close()
  }
}

export function sqlite(path = ':memory:'): SqliteEngine {
  return SqliteEngine.open({ path, source: 'the test', log: silent })
}

export const allRepositories: RepositoriesQuery = {
  words: [],
  order: { key: 'name', descending: false },
  after: undefined,
  count: 100,
  sees: () => true,
  under: undefined,
}

export const allTags: TagsQuery = {
  words: [],
  order: { key: 'name', descending: false },
  after: undefined,
  count: 100,
  sees: () => true,
  repository: undefined,
  repositoryWords: [],
  digest: undefined,
}
