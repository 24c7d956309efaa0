import pLimit from 'p-limit'
import type { StoredContent } from '../../core/descriptor-cache.ts'
import type { Digest } from '../../core/digest.ts'
import type { RepositoryName } from '../../core/reference.ts'
import { mapInOrder } from '../../lib/map-in-order.ts'

export interface MountSearchParts {
  /** Repositories in use, the most recent first. */
  readonly recent: () => Iterable<RepositoryName>
  /** The catalog. */
  readonly all: () => AsyncIterable<RepositoryName>
  readonly find: (repository: RepositoryName, digest: Digest) => Promise<StoredContent | undefined>
}

/** Repositories that are searched for a blob. */
export const MAX_SEARCHED = 64
/** Names of the catalog that are read for a search. */
export const MAX_CATALOG_NAMES = 128

const CONCURRENCY = 8
/** Concurrent searches of one process. If too many wait, a search finds nothing. */
const MAX_SEARCHES = 2
const MAX_WAITING = 64

/** Finds a blob for a mount without `from`: in the repositories used last, then in the first ones of the
 *  catalog. Bounded, and looks only at repositories that may be searched, never at the shared pool, so that
 *  its time does not reveal the content of others. If it finds nothing, the client uploads the blob. */
export class MountSearch {
  readonly #parts: MountSearchParts
  readonly #inTurn = pLimit(MAX_SEARCHES)

  constructor(parts: MountSearchParts) {
    this.#parts = parts
  }

  /** Searches the repositories.
   *  @param maySearch decides by the name alone */
  async find(
    digest: Digest,
    maySearch: (name: RepositoryName) => boolean,
  ): Promise<StoredContent | undefined> {
    if (this.#inTurn.pendingCount >= MAX_WAITING) return undefined
    return this.#inTurn(() => this.#search(digest, maySearch))
  }

  async #search(digest: Digest, maySearch: (name: RepositoryName) => boolean) {
    const work = (name: RepositoryName) => this.#parts.find(name, digest)
    const found = mapInOrder(this.#searched(maySearch), { concurrency: CONCURRENCY, work })
    for await (const blob of found) if (blob !== undefined) return blob
    return undefined
  }

  async *#searched(maySearch: (name: RepositoryName) => boolean): AsyncIterable<RepositoryName> {
    const searched = new Set<RepositoryName>()
    for (const name of this.#parts.recent()) {
      if (searched.size === MAX_SEARCHED) return
      if (!maySearch(name)) continue
      searched.add(name)
      yield name
    }
    let read = 0
    for await (const name of this.#parts.all()) {
      if (searched.size === MAX_SEARCHED || read++ === MAX_CATALOG_NAMES) return
      if (searched.has(name) || !maySearch(name)) continue
      searched.add(name)
      yield name
    }
  }
}
