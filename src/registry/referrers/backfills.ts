import { LRUCache } from 'lru-cache'
import type { RepositoryName } from '../../core/reference.ts'
import { atMost } from '../../lib/at-most.ts'

/** The back-fills of this process. */
export class Backfills {
  readonly #running = new Map<RepositoryName, Promise<void>>()
  // By size, because `max` allocates all places in advance.
  readonly #done = new LRUCache<RepositoryName, true>({
    ...atMost(MAX_REMEMBERED),
    ttl: TIME_TO_LIVE_MS,
  })
  readonly #closing = new AbortController()

  /** Aborted when the registry closes; the next process continues. */
  get signal(): AbortSignal {
    return this.#closing.signal
  }

  /** Runs the work once for all callers. `work` resolves to false if the repository was empty. */
  once(repository: RepositoryName, work: () => Promise<boolean>): Promise<void> | undefined {
    if (this.#done.has(repository)) return undefined
    const running = this.#running.get(repository)
    if (running !== undefined) return running
    const begun = work()
      .then((done) => {
        if (done) this.#done.set(repository, true)
      })
      .finally(() => this.#running.delete(repository))
    this.#running.set(repository, begun)
    return begun
  }

  async close(): Promise<void> {
    this.#closing.abort()
    await Promise.allSettled(this.#running.values())
  }
}

const MAX_REMEMBERED = 100_000
/** Limited, because a repository may be removed and created again. */
const TIME_TO_LIVE_MS = 60_000
