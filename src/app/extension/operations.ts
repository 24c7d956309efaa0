/** How the registry is, for its operators. The code of the outbox is loaded when somebody asks. */
import { readCron } from '../../config/schema/key.ts'
import type { Config } from '../../config/schema.ts'
import { collectionState } from '../../core/collection/collection-state.ts'
import { readLastCollection } from '../../core/collection/last-collection.ts'
import type {
  CollectionSummary,
  EndpointStatus,
  Operations,
  OperationsSummary,
  ScrubSummary,
} from '../../core/operations/operations.ts'
import { scrubState } from '../../core/scrub/scrub-state.ts'
import type { StorageDriver } from '../../core/storage-driver.ts'
import { isNotifying } from '../settings.ts'

/** What is known of the work of all processes, because it is on storage. */
export class StoredOperations implements Operations {
  readonly #config: Config
  readonly #storage: StorageDriver

  constructor(config: Config, storage: StorageDriver) {
    this.#config = config
    this.#storage = storage
  }

  async summary(): Promise<OperationsSummary> {
    const [collection, scrub, endpoints] = await Promise.all([
      this.#collection(),
      this.#scrub(),
      this.#endpoints(),
    ])
    return { storage: this.#storage.name, collection, scrub, endpoints }
  }

  async #collection(): Promise<CollectionSummary> {
    const storage = this.#storage
    const [found, last] = await Promise.all([collectionState(storage).get(), readLastCollection(storage)])
    const { gc } = this.#config.storage.maintenance
    return { ...this.#scheduled(gc), phase: found?.state.phase ?? 'idle', last: last ?? null }
  }

  async #scrub(): Promise<ScrubSummary> {
    const state = (await scrubState(this.#storage).get())?.state
    const { phase = 'done', startedAt, totals } = state ?? {}
    return {
      ...this.#scheduled(this.#config.storage.maintenance.scrub),
      phase: phase === 'done' ? 'idle' : phase,
      startedAt: startedAt ?? null,
      totals: totals ?? null,
    }
  }

  async #endpoints(): Promise<readonly EndpointStatus[]> {
    if (!isNotifying(this.#config)) return []
    return (await import('../../notifications/outbox-status.ts')).outboxStatus(this.#storage)
  }

  #scheduled({ enabled, schedule }: { enabled: boolean; schedule: string }) {
    const { readonly } = this.#config.storage.maintenance
    const cron = enabled && !readonly.enabled ? readCron(schedule) : undefined
    return { enabled, nextAt: cron?.next(new Date()).toISOString() ?? null }
  }
}
