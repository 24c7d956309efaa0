import { algorithmOf, CANONICAL, type Digest, hexOf } from '../../core/digest.ts'
import { parseListed } from '../../core/manifest/referrer.ts'
import { parseTag, type Tag } from '../../core/reference.ts'
import { mapInOrder } from '../../lib/map-in-order.ts'
import type { RepositoryContext } from '../context.ts'
import type { ReferrerLinks } from './links.ts'
import { orUndefined, readReferrer } from './read-referrer.ts'

/** The tag under which clients keep a list of referrers if a registry has no referrers API. OCI Distribution
 *  Specification 1.1, "Referrers Tag Schema". */
export function fallbackTag(subject: Digest): Tag {
  return parseTag(`${algorithmOf(subject)}-${hexOf(subject).slice(0, 64)}`)
}

const READ_CONCURRENCY = 16

/** Time for which the manifests of a list are believed to have their links. */
const LOOK_UP_MS = 60_000

/** Adds referrers that clients have listed under fallback tags to the registry's own list. Another registry
 *  may use the same storage, so the tag is checked for every list, with one small read. The tag itself is not
 *  changed. */
export class FallbackTags {
  readonly #context: RepositoryContext
  readonly #referrers: ReferrerLinks

  constructor(context: RepositoryContext, referrers: ReferrerLinks) {
    this.#context = context
    this.#referrers = referrers
  }

  /** Links the manifests that the subject's fallback tag lists, unless they have links. If the list has
   *  grown, its older entries are looked up once a minute. */
  async take(subject: Digest): Promise<void> {
    const { links, fallbackMemory: memory, paths } = this.#context
    const path = paths.tag(fallbackTag(subject)).current
    const index = await links.read(path)
    const seen = memory.get(path)
    if (index === undefined || seen?.index === index) return
    const now = performance.now()
    const isFresh = seen !== undefined && now - seen.lookedUpAt < LOOK_UP_MS
    const listed = await this.#listed(index)
    const settled = new Set(isFresh ? listed.filter((digest) => seen.settled.has(digest)) : [])
    const unsettled = listed.filter((digest) => !settled.has(digest))
    const work = async (digest: Digest) => {
      if (await this.#settle(subject, digest)) settled.add(digest)
    }
    for await (const _ of mapInOrder(unsettled, { concurrency: READ_CONCURRENCY, work })) {
      // Linked one by one, within the loop.
    }
    memory.set(path, { index, settled, lookedUpAt: isFresh ? seen.lookedUpAt : now })
  }

  async #listed(index: Digest): Promise<readonly Digest[]> {
    const payload = await this.#context.pool.get(index)
    return (payload && orUndefined(() => parseListed(payload))) ?? []
  }

  /** @returns true if the manifest has its link, or is of another subject */
  async #settle(subject: Digest, name: Digest): Promise<boolean> {
    const referrers = this.#referrers
    if (algorithmOf(name) !== CANONICAL) return true
    if (!(await referrers.isThere(name))) return false
    const referrer = { subject, name, canonical: name }
    if (!(await referrers.hasByAnyName(referrer)) && (await this.#mayBeOf(subject, name)))
      await referrers.add(referrer)
    return true
  }

  /** True if a manifest may be a referrer of the subject: it names this subject, or none and the tag has the
   *  whole digest. Not every client could set `subject` when the tag schema was used. */
  async #mayBeOf(subject: Digest, name: Digest): Promise<boolean> {
    const referrer = await readReferrer(this.#context.pool, { canonical: name })
    if (referrer === undefined) return false
    return referrer.subject === undefined ? algorithmOf(subject) === CANONICAL : referrer.subject === subject
  }
}
