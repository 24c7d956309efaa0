import { setTimeout as delay } from 'node:timers/promises'
import type { Log } from '../../core/log.ts'
import type { RepositoryName } from '../../core/reference.ts'
import type { Registry } from '../../core/registry.ts'
import { mapInOrder } from '../../lib/map-in-order.ts'
import type { CatalogChanges } from '../sql/catalog-changes.ts'

export interface SweepParts {
  readonly registry: Registry
  readonly changes: CatalogChanges
  readonly compare: (repository: RepositoryName) => Promise<void>
  readonly signal: AbortSignal
  readonly log: Log
}

/** Repositories that are compared at the same time while the index is filled. */
const CONCURRENCY = 4
/** Later a sweep works for one part of the time, and rests for the others. */
const REST_FACTOR = 4

/** Compares all repositories with storage: those that it lists, and those that only the index has.
 *  @param parts.signal ends it between two repositories
 *  @throws RegistryError; the signal's reason */
export async function sweep({ registry, changes, compare, signal, log }: SweepParts): Promise<void> {
  const startedAt = new Date()
  const begin = performance.now()
  const isFirst = !(await changes.isComplete())
  const look = await changes.look()
  const unlisted = new Set(await changes.known())
  const work = async (name: RepositoryName) => {
    signal.throwIfAborted()
    unlisted.delete(name)
    const since = performance.now()
    await compare(name)
    if (!isFirst) await delay((performance.now() - since) * REST_FACTOR, undefined, { ref: false, signal })
  }
  let repositories = 0
  const names = registry.repositories()
  for await (const _ of mapInOrder(names, { concurrency: isFirst ? CONCURRENCY : 1, work })) repositories++
  for (const name of unlisted) await work(name)
  await changes.swept({ look, startedAt })
  const seconds = (performance.now() - begin) / 1000
  if (isFirst) log.info({ repositories, seconds }, 'the index is filled')
}
