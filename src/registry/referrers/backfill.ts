import { algorithmOf, CANONICAL, type Digest, isDigest } from '../../core/digest.ts'
import { RegistryError } from '../../core/errors.ts'
import { mapInOrder } from '../../lib/map-in-order.ts'
import type { RepositoryContext } from '../context.ts'
import { readIfPresent } from '../read-if-present.ts'
import type { ReferrerLinks } from './links.ts'
import { readReferrer } from './read-referrer.ts'

/** Manifests between two saves of the progress. */
const STEP = 500

const READ_CONCURRENCY = 16

const COMPLETE = 'complete'

/** Finds referrers that were pushed without a list, for example through Distribution. Reads every manifest
 *  once, in order of the digests, and links those with a subject. The progress is saved after the links are
 *  durable, so another process can continue after a crash, and two at once write the same links.
 *  Distribution's files are not changed. */
export class ReferrerBackfill {
  readonly #context: RepositoryContext
  readonly #referrers: ReferrerLinks

  constructor(context: RepositoryContext, referrers: ReferrerLinks) {
    this.#context = context
    this.#referrers = referrers
  }

  /** Resolves once every earlier manifest with a subject has its link. Undefined if that is known already. */
  complete(): Promise<void> | undefined {
    const { backfills, name } = this.#context
    return backfills.once(name, () => this.#run())
  }

  /** Runs the back-fill.
   *  @returns false for a repository without manifests, for which no progress is saved */
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
      'older referrers are now listed',
    )
    return true
  }

  /** Links a manifest. True if it is a referrer that had no link. Manifests named by another algorithm were
   *  pushed here, with a link. */
  async #link(digest: Digest): Promise<boolean> {
    if (algorithmOf(digest) !== CANONICAL) return false
    const subject = (await readReferrer(this.#context.pool, { canonical: digest }))?.subject
    if (subject === undefined) return false
    const referrer = { subject, name: digest, canonical: digest }
    if (await this.#referrers.hasByAnyName(referrer)) return false
    await this.#referrers.add(referrer)
    return true
  }

  /** The digest up to which the work is done. Undefined if it has not begun, or the file is malformed. */
  async #progress(): Promise<Digest | typeof COMPLETE | undefined> {
    const { own, paths } = this.#context
    const text = (await readIfPresent(own, paths.backfill))?.toString()
    return text === COMPLETE || (text !== undefined && isDigest(text)) ? text : undefined
  }

  #write(progress: Digest | typeof COMPLETE): Promise<void> {
    return this.#context.own.put(this.#context.paths.backfill, Buffer.from(progress))
  }
}

/** The items that arrive before the signal. */
async function* until<Item>(signal: AbortSignal, items: AsyncIterable<Item>): AsyncIterable<Item> {
  for await (const item of items) {
    if (signal.aborted) return
    yield item
  }
}
