import { algorithmOf, CANONICAL, type Digest, isDigest } from '../../core/digest.ts'
import { RegistryError } from '../../core/errors.ts'
import { mapInOrder } from '../../lib/map-in-order.ts'
import type { RepositoryContext } from '../context.ts'
import { readIfPresent } from '../read-if-present.ts'
import type { ReferrerLinks } from './links.ts'
import { readReferrer } from './read-referrer.ts'

/** How many manifests are looked at before it is written down how far the work has come. */
const STEP = 500

const READ_CONCURRENCY = 16

const COMPLETE = 'complete'

/** Finds the referrers that came to the repository while nobody kept a list of them: looks at every manifest once, in
 *  the order of their digests, and gives those that have a subject their links. How far it has come is kept in a file,
 *  after the links are durable, so a process that is killed is followed by one that goes on; and two at once write the
 *  same links. Nothing of Distribution's is written. */
export class ReferrerBackfill {
  readonly #context: RepositoryContext
  readonly #referrers: ReferrerLinks

  constructor(context: RepositoryContext, referrers: ReferrerLinks) {
    this.#context = context
    this.#referrers = referrers
  }

  /** Fulfilled when every manifest that was there before has its link; undefined where that is known. */
  complete(): Promise<void> | undefined {
    const { backfills, name } = this.#context
    return backfills.once(name, () => this.#run())
  }

  /** @returns false for a repository without manifests, of which nothing is written down */
  async #run(): Promise<boolean> {
    const progress = await this.#progress()
    if (progress === COMPLETE) return true
    const { backfills, log, name: repository } = this.#context
    const startedAt = performance.now()
    let seen = 0
    let found = 0
    let last = progress
    const manifests = until(backfills.signal, this.#context.revisions.all({ after: progress }))
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
    const subject = (await readReferrer(this.#context.pool, { canonical: digest }))?.subject
    if (subject === undefined) return false
    const referrer = { subject, name: digest, canonical: digest }
    if (await this.#referrers.hasByAnyName(referrer)) return false
    await this.#referrers.add(referrer)
    return true
  }

  /** Up to which manifest the work is done; undefined where it was not begun, or the file is not what was written. */
  async #progress(): Promise<Digest | typeof COMPLETE | undefined> {
    const { own, paths } = this.#context
    const text = (await readIfPresent(own, paths.backfill))?.toString()
    return text === COMPLETE || (text !== undefined && isDigest(text)) ? text : undefined
  }

  #write(progress: Digest | typeof COMPLETE): Promise<void> {
    return this.#context.own.put(this.#context.paths.backfill, Buffer.from(progress))
  }
}

/** What comes before the signal. */
async function* until<Item>(signal: AbortSignal, items: AsyncIterable<Item>): AsyncIterable<Item> {
  for await (const item of items) {
    if (signal.aborted) return
    yield item
  }
}
