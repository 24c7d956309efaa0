import { LRUCache } from 'lru-cache'
import { algorithmOf, CANONICAL, type Digest, isDigest } from '../../core/digest.ts'
import { isPathNotFound, RegistryError } from '../../core/errors.ts'
import type { Log } from '../../core/log.ts'
import type { RepositoryName } from '../../core/reference.ts'
import { mapInOrder } from '../../lib/map-in-order.ts'
import type { BlobPool } from '../blobs/blob-pool.ts'
import type { LinkSet } from '../links/links.ts'
import type { RepositoryPaths } from '../paths.ts'
import type { ReferrerLinks } from './links.ts'
import type { SmallFiles } from './overlay.ts'
import { readReferrer } from './read-referrer.ts'

/** The back-fills of this process. */
export class Backfills {
  readonly #running = new Map<RepositoryName, Promise<void>>()
  readonly #done = new LRUCache<RepositoryName, true>({ max: MAX_REMEMBERED, ttl: TIME_TO_LIVE_MS })
  readonly #closing = new AbortController()

  /** Aborted when the registry closes: what was not done is done by the next process. */
  get signal(): AbortSignal {
    return this.#closing.signal
  }

  /** Lets the work be done once, whoever waits for it. `work` says whether there was anything to fill. */
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
/** A repository may be removed and come again. */
const TIME_TO_LIVE_MS = 60_000

export interface BackfillParts {
  readonly repository: RepositoryName
  readonly paths: RepositoryPaths
  readonly own: SmallFiles
  readonly pool: BlobPool
  readonly revisions: LinkSet
  readonly referrers: ReferrerLinks
  readonly backfills: Backfills
  readonly log: Log
}

/** How many manifests are looked at before it is written down how far the work has come. */
const STEP = 500

const READ_CONCURRENCY = 16

const COMPLETE = 'complete'

/** Finds the referrers that came to the repository while nobody kept a list of them: looks at every manifest once, in
 *  the order of their digests, and gives those that have a subject their links. How far it has come is kept in a file,
 *  after the links are durable, so a process that is killed is followed by one that goes on; and two at once write the
 *  same links. Nothing of Distribution's is written. */
export class ReferrerBackfill {
  readonly #parts: BackfillParts

  constructor(parts: BackfillParts) {
    this.#parts = parts
  }

  /** Fulfilled when every manifest that was there before has its link; undefined where that is known. */
  complete(): Promise<void> | undefined {
    return this.#parts.backfills.once(this.#parts.repository, () => this.#run())
  }

  /** @returns false for a repository without manifests, of which nothing is written down */
  async #run(): Promise<boolean> {
    const progress = await this.#progress()
    if (progress === COMPLETE) return true
    const { backfills, log, repository } = this.#parts
    const startedAt = performance.now()
    let seen = 0
    let found = 0
    let last = progress
    const manifests = until(backfills.signal, this.#parts.revisions.all({ after: progress }))
    const work = async (digest: Digest) => ({ digest, linked: await this.#link(digest) })
    for await (const { digest, linked } of mapInOrder(manifests, { concurrency: READ_CONCURRENCY, work })) {
      last = digest
      seen += 1
      if (linked) found += 1
      if (seen % STEP === 0) await this.#write(digest)
    }
    if (last === undefined) return false
    await this.#write(backfills.signal.aborted ? last : COMPLETE)
    if (backfills.signal.aborted) throw new RegistryError('UNAVAILABLE')
    const milliseconds = Math.round(performance.now() - startedAt)
    log.info(
      { repository, manifests: seen, referrers: found, milliseconds },
      'referrers from before are listed',
    )
    return true
  }

  /** True when the manifest is a referrer that had no link. A name by another algorithm is one that the registry gave
   *  a link when it took it. */
  async #link(digest: Digest): Promise<boolean> {
    if (algorithmOf(digest) !== CANONICAL) return false
    const subject = (await readReferrer(this.#parts.pool, { canonical: digest }))?.subject
    if (subject === undefined) return false
    const referrer = { subject, name: digest, canonical: digest }
    if (await this.#parts.referrers.hasByAnyName(referrer)) return false
    await this.#parts.referrers.add(referrer)
    return true
  }

  /** Up to which manifest the work is done; undefined where it was not begun, or the file is not what was written. */
  async #progress(): Promise<Digest | typeof COMPLETE | undefined> {
    try {
      const text = Buffer.from(await this.#parts.own.get(this.#parts.paths.backfill)).toString()
      return text === COMPLETE || isDigest(text) ? text : undefined
    } catch (error) {
      if (isPathNotFound(error)) return undefined
      throw error
    }
  }

  #write(progress: Digest | typeof COMPLETE): Promise<void> {
    return this.#parts.own.put(this.#parts.paths.backfill, Buffer.from(progress))
  }
}

/** What comes before the signal. */
async function* until<Item>(signal: AbortSignal, items: AsyncIterable<Item>): AsyncIterable<Item> {
  for await (const item of items) {
    if (signal.aborted) return
    yield item
  }
}
