import type { Config } from '../../config/schema.ts'
import type { ChangeCause, RepositoryHistory } from '../../core/lifecycle/history.ts'
import type { Log } from '../../core/log.ts'
import type { RequestScope } from '../../core/notifications/request-scope.ts'
import type { Registry } from '../../core/registry.ts'
import { EmptiedRepositories } from '../../lifecycle/history/emptied.ts'
import { Recorder } from '../../lifecycle/history/recorder.ts'
import { HistoryRegistry } from '../../lifecycle/history/registry.ts'
import { StoredHistory } from '../../lifecycle/history/repository-history.ts'
import { tidyHistory } from '../../lifecycle/history/upkeep.ts'
import { Schedule } from '../../maintenance/schedule.ts'
import type { StoredRegistry } from '../../registry/registry.ts'

export interface History {
  /** A registry that records the changes that are made by it. */
  wrap(registry: Registry): Registry
  /** @param registry what `wrap` has made, with all that is around it */
  open(registry: Registry): Promise<RepositoryHistory>
}

export interface HistoryOptions {
  /** The scope of the requests that changes are made for. Default: none. */
  readonly scope?: RequestScope | undefined
  readonly log?: Log | undefined
  /** Of changes that are made for no request. Default: `request`. */
  readonly cause?: ChangeCause
}

export function openHistory(
  { policies, storage }: Config,
  stored: StoredRegistry,
  { scope, log, cause = 'request' }: HistoryOptions,
): History {
  const author = () => ({ actor: scope?.current?.actor ?? '', cause })
  const { storage: driver, collectable } = stored
  const { window: windowMs, movedwindow: movedWindowMs = windowMs } = policies.history
  const recorder = new Recorder({ storage: driver, windowMs, movedWindowMs, author })
  const emptied = new EmptiedRepositories(driver)
  return {
    wrap: (registry) => new HistoryRegistry(registry, { recorder, emptied }),
    async open(registry) {
      const history = new StoredHistory({
        ...{ registry, storage: driver, recorder, emptied, immutable: policies.immutable, collectable },
        content: {
          read: (digest) => driver.get(collectable.pathOf(digest)),
          relink: (repository, link) => stored.relinkBlob(repository, link),
        },
        blobLinks: (repository) => stored.blobLinks(repository),
      })
      // A registry starts without its storage as well, and says by its health that it is not well.
      if (!storage.maintenance.readonly.enabled)
        await history
          .begin()
          .catch((err) => log?.warn({ err }, 'the start of the history could not be noted'))
      return history
    },
  }
}

const DAY_MS = 24 * 3_600_000
const FIRST_DELAY_MS = 10 * 60_000

/** Removes what is too old each day. Undefined if the registry is read-only. */
export function scheduleUpkeep(
  { policies, storage }: Config,
  registry: StoredRegistry,
  log: Log,
): Schedule | undefined {
  if (storage.maintenance.readonly.enabled) return undefined
  const { entries, age: ageMs } = policies.history
  const work = async (signal: AbortSignal) => {
    const now = await registry.storageTime()
    const removed = await tidyHistory({ storage: registry.storage, entries, ageMs, now, signal })
    if (removed.changes + removed.deletions > 0) log.info(removed, 'old entries of the history were removed')
  }
  return new Schedule({ name: 'history', intervalMs: () => DAY_MS, firstDelayMs: FIRST_DELAY_MS, log, work })
}
