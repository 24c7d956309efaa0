import { algorithmOf, CANONICAL, type Digest, hexOf } from '../../core/digest.ts'
import { parseListed } from '../../core/manifest/referrer.ts'
import { parseTag, type Tag } from '../../core/reference.ts'
import { mapInOrder } from '../../lib/map-in-order.ts'
import type { RepositoryContext } from '../context.ts'
import type { ReferrerLinks } from './links.ts'
import { orUndefined, readReferrer } from './read-referrer.ts'

/** The tag under which clients keep a list of a manifest's referrers where the registry keeps none. OCI Distribution
 *  Specification 1.1, "Referrers Tag Schema". */
export function fallbackTag(subject: Digest): Tag {
  return parseTag(`${algorithmOf(subject)}-${hexOf(subject).slice(0, 64)}`)
}

const READ_CONCURRENCY = 16

/** What clients have listed under fallback tags becomes part of the registry's own list. Another registry may go on
 *  working on the same storage, so the tag is looked at whenever the list is asked for: one small read. The tag itself
 *  stays as it is. */
export class FallbackTags {
  readonly #context: RepositoryContext
  readonly #referrers: ReferrerLinks

  constructor(context: RepositoryContext, referrers: ReferrerLinks) {
    this.#context = context
    this.#referrers = referrers
  }

  /** Gives the manifests that the subject's tag lists their links, where they have none. */
  async take(subject: Digest): Promise<void> {
    const { links, fallbackMemory: memory, paths } = this.#context
    const path = paths.tag(fallbackTag(subject)).current
    const index = await links.read(path)
    if (index === undefined || memory.has(path, index)) return
    const work = (digest: Digest) => this.#link(subject, digest)
    for await (const _ of mapInOrder(await this.#listed(index), { concurrency: READ_CONCURRENCY, work })) {
      // each is linked by itself
    }
    memory.add(path, index)
  }

  async #listed(index: Digest): Promise<readonly Digest[]> {
    const payload = await this.#context.pool.get(index)
    return (payload && orUndefined(() => parseListed(payload))) ?? []
  }

  async #link(subject: Digest, name: Digest): Promise<void> {
    const referrers = this.#referrers
    if (algorithmOf(name) !== CANONICAL || !(await referrers.isThere(name))) return
    const referrer = { subject, name, canonical: name }
    if ((await referrers.hasByAnyName(referrer)) || !(await this.#mayBeOf(subject, name))) return
    await referrers.add(referrer)
  }

  /** A manifest that names another subject is not of this one, whatever a tag says. One that names none is, where the
   *  tag has the whole digest: not every client's manifests could name one when they were made. */
  async #mayBeOf(subject: Digest, name: Digest): Promise<boolean> {
    const referrer = await readReferrer(this.#context.pool, { canonical: name })
    if (referrer === undefined) return false
    return referrer.subject === undefined ? algorithmOf(subject) === CANONICAL : referrer.subject === subject
  }
}
