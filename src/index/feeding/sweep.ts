import { setTimeout as delay } from 'node:timers/promises'
import type { Log } from '../../core/log.ts'
import type { RepositoryName } from '../../core/reference.ts'
import type { Registry } from '../../core/registry.ts'
import type { CatalogChanges } from '../sql/catalog-changes.ts'

export interface SweepParts {
  readonly registry: Registry
  readonly changes: CatalogChanges
  readonly compare: (repository: RepositoryName) => Promise<void>
  /** Compares many repositories without a pause. */
  readonly fill: (repositories: AsyncIterable<RepositoryName>, look: number) => Promise<void>
  readonly signal: AbortSignal
  readonly log: Log
}

/** A sweep over a filled index works for one part of the time, and rests for the others. */
const REST_FACTOR = 4

/** Compares all repositories with storage: those that it lists, and those that only the index has.
 *  @param parts.signal ends it between two repositories
 *  @throws RegistryError; the signal's reason */
export async function sweep({ registry, changes, compare, fill, signal, log }: SweepParts): Promise<void> {
  const startedAt = new Date()
  const begin = performance.now()
  const isFirst = !(await changes.isComplete())
  const look = await changes.look()
  const unlisted = new Set(await changes.known())
  let repositories = 0
  const names = async function* () {
    for await (const name of registry.repositories()) {
      signal.throwIfAborted()
      repositories++
      unlisted.delete(name)
      yield name
    }
  }
  const compareAndRest = async (name: RepositoryName) => {
    signal.throwIfAborted()
    const since = performance.now()
    await compare(name)
    await delay((performance.now() - since) * REST_FACTOR, undefined, { ref: false, signal })
  }
  if (isFirst) await fill(names(), look)
  else for await (const name of names()) await compareAndRest(name)
  for (const name of unlisted) await compareAndRest(name)
  if (!(await changes.swept({ look, startedAt }))) throw new Error('the index was emptied meanwhile')
  const seconds = (performance.now() - begin) / 1000
  if (isFirst) log.info({ repositories, seconds }, 'the index is filled')
}
