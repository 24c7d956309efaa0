/** The index of the catalog: what is configured under `index`. Its code is loaded if it is enabled. */
import { hash } from 'node:crypto'
import { readRedisTls } from '../../config/redis-tls.ts'
import type { Config } from '../../config/schema.ts'
import type { Announcements } from '../../core/catalog/announcements.ts'
import type { CatalogIndex } from '../../core/catalog/catalog-index.ts'
import { newIndexFigures } from '../../core/catalog/index-figures.ts'
import type { RecordedPulls } from '../../core/lifecycle/pulls.ts'
import type { Log } from '../../core/log.ts'
import type { RepositoryName } from '../../core/reference.ts'
import type { Registry } from '../../core/registry.ts'
import type { StorageDriver } from '../../core/storage-driver.ts'
import { SqlCatalogIndex } from '../../index/catalog-index.ts'
import { Feeder } from '../../index/feeding/feeder.ts'
import { IndexedRegistry } from '../../index/indexed-registry.ts'
import { CatalogChanges } from '../../index/sql/catalog-changes.ts'
import type { SqlEngine } from '../../index/sql/engine.ts'
import { rebuildableFile, removeUnusedBeside } from '../../lib/files/rebuildable-file.ts'
import type { Metrics } from '../../observability/metrics.ts'
import { StoredRegistry } from '../../registry/registry.ts'
import { manifestPolicy } from '../settings.ts'

/** What SQLite keeps beside a database in WAL mode. */
const WAL_FILES = ['-wal', '-shm'] as const

/** With a little memory for them, configurations of images are read whole, which takes fewer calls than a stream. */
const CONFIGURATION_BYTES = 1024 * 1024

/** A process's part in the index. */
export interface OpenIndex {
  readonly index: CatalogIndex
  /** A registry that notes the changes that are made by it. */
  wrap(registry: Registry): Registry
  /** Notes that pulls of the repositories were recorded. */
  pulled(repositories: Iterable<RepositoryName>): void
  /** Starts to follow storage. */
  start(): void
  close(): Promise<void>
}

export interface IndexParts {
  readonly log: Log
  /** True if this process compares the index with all of storage. */
  readonly sweeps: boolean
  readonly metrics: Metrics | undefined
}

/** @param registry over its storage; not closed
 *  @throws Error if there can be no database here; one that can't be reached now is tried again */
export async function openIndex(
  config: Config,
  registry: StoredRegistry,
  { log, sweeps, metrics }: IndexParts,
): Promise<OpenIndex> {
  const { engine, removeUnused } = await openDatabase(config, log)
  const changes = new CatalogChanges(engine)
  const figures = newIndexFigures()
  if (sweeps) metrics?.showIndex(figures)
  const feeder = new Feeder({
    ...{ changes, figures, log },
    registry: new StoredRegistry({
      ...{ driver: registry.storage, policy: manifestPolicy(config), log },
      smallContentBytes: CONFIGURATION_BYTES,
    }),
    pulls: await openRecordedPulls(config, registry),
    sweepMs: sweeps ? config.index.sweep : undefined,
    announcements: await openAnnouncements(config, { log, listens: sweeps, storage: registry.storage }),
  })
  return {
    index: new SqlCatalogIndex(engine, feeder),
    wrap: (wrapped) =>
      new IndexedRegistry(
        wrapped,
        (repository, tags) => feeder.changed(repository, tags),
        () => feeder.requested(),
      ),
    pulled: (repositories) => feeder.pulled(repositories),
    start() {
      feeder.start()
      removeUnused?.().catch((err) => log.warn({ err }, 'indexes that are not used any more are left'))
    },
    async close() {
      await feeder.stop()
      await engine.close()
    },
  }
}

/** The pulls of all processes. Their code is loaded if they are recorded. */
async function openRecordedPulls(
  config: Config,
  registry: StoredRegistry,
): Promise<RecordedPulls | undefined> {
  if (!config.policies.pulls.enabled) return undefined
  return (await import('../lifecycle/pulls.ts')).readPulls(config, registry)
}

/** The way to the indexes of other replicas: Redis, else files on storage. A database that replicas share needs none.
 *  @param options.listens false for one of several workers, whose file another process keeps */
async function openAnnouncements(
  { redis, index, storage: { inmemory, maintenance } }: Config,
  { log, listens, storage }: { log: Log; listens: boolean; storage: StorageDriver },
): Promise<Announcements | undefined> {
  if (index.driver === 'postgres') return undefined
  if (redis !== undefined) {
    const { RedisAnnouncements } = await import('../../cache/redis/announcements.ts')
    return new RedisAnnouncements({ settings: { ...redis, tls: await readRedisTls(redis) }, listens, log })
  }
  if (index.poll === 0 || inmemory !== undefined) return undefined
  const { StorageAnnouncements } = await import('../../index/feeding/storage-announcements.ts')
  const publishes = !maintenance.readonly.enabled
  return new StorageAnnouncements({ storage, pollMs: index.poll, listens, publishes, log })
}

interface Database {
  readonly engine: SqlEngine
  /** Removes files of indexes that nobody uses any more. */
  readonly removeUnused?: () => Promise<void>
}

async function openDatabase(config: Config, log: Log): Promise<Database> {
  const source = sourceOf(config)
  const { driver, url, path } = config.index
  if (driver === 'postgres') {
    const { PostgresEngine } = await import('../../index/postgres/engine.ts')
    return { engine: PostgresEngine.open({ url, source, log }) }
  }
  const { SqliteEngine } = await import('../../index/sqlite/engine.ts')
  if (path !== '') return { engine: SqliteEngine.open({ path, source, log }) }
  if (config.storage.inmemory !== undefined)
    return { engine: SqliteEngine.open({ path: ':memory:', source, log }) }
  const file = await rebuildableFile({ folder: 'entrepot-index', name: `${source}.sqlite` })
  return {
    engine: SqliteEngine.open({ path: file, source, log }),
    removeUnused: () => removeUnusedBeside(file, WAL_FILES),
  }
}

/** Names the storage: an index of another one is of no use. */
function sourceOf({ storage: { filesystem, s3, azure, gcs } }: Config): string {
  const parts = [
    filesystem?.rootdirectory,
    ...[s3?.regionendpoint, s3?.bucket, s3?.rootdirectory],
    ...[azure?.accountname, azure?.container, azure?.rootdirectory],
    ...[gcs?.bucket, gcs?.rootdirectory],
  ]
  return hash('sha256', JSON.stringify(parts.map((part) => String(part ?? '')))).slice(0, 24)
}
