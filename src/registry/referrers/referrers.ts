import type { ReferrerDescriptor } from '../../core/descriptor.ts'
import type { Digest } from '../../core/digest.ts'
import { parseReferrer } from '../../core/manifest/referrer.ts'
import type { ReferrerQuery } from '../../core/registry.ts'
import type { ReferrerBackfill } from './backfill.ts'
import type { ReferrerDescriptors } from './descriptors.ts'
import type { FallbackTags } from './fallback-tag.ts'
import type { LinkedReferrer, ReferrerLinks } from './links.ts'
import type { RememberedReferrer } from './memory.ts'

export interface ReferrersParts {
  readonly links: ReferrerLinks
  readonly descriptors: ReferrerDescriptors
  readonly backfill: ReferrerBackfill
  readonly fallbackTags: FallbackTags
}

/** Another registry may remove manifests and leave the links: so many of one list are looked up every time, the others
 *  once in a while. */
const ALWAYS_LOOKED_UP = 64
const TRUSTED_MS = 60_000

/** How many are looked up at once. */
const LOOK_UPS = 16

/** A repository's manifests by what they refer to. The links say which there are, in one ordered listing; what is said
 *  of each is remembered, in memory and beside the links. docs/decisions/004-lists-of-referrers.md says why. */
export class Referrers {
  readonly #parts: ReferrersParts

  constructor(parts: ReferrersParts) {
    this.#parts = parts
  }

  async *list(subject: Digest, query: ReferrerQuery = {}): AsyncIterable<ReferrerDescriptor> {
    await this.#parts.backfill.complete()
    await this.#parts.fallbackTags.take(subject)
    let position = 0
    for await (const some of this.#described(subject, query)) {
      for (let start = 0; start < some.length; start += LOOK_UPS) {
        const group = some.slice(start, start + LOOK_UPS)
        const there = await this.#present(subject, group, { always: position < ALWAYS_LOOKED_UP })
        // Not `yield*`, which makes three promises of each.
        for (const descriptor of there) yield descriptor
        position += group.length
      }
    }
  }

  /** The link of a manifest that is about to be stored. */
  add(referrer: LinkedReferrer, { after }: { after: Promise<unknown> }): Promise<void> {
    return this.#parts.links.add(referrer, { after })
  }

  /** The manifest is stored. */
  async added(referrer: LinkedReferrer, payload: Uint8Array): Promise<void> {
    await this.#parts.links.confirm(referrer)
    await this.#parts.descriptors.add(referrer.subject, parseReferrer(payload, referrer.name).descriptor)
  }

  /** The manifest is removed. */
  async removed(referrer: LinkedReferrer): Promise<void> {
    this.#parts.descriptors.removed(referrer.subject, referrer.name)
    await this.#parts.links.remove(referrer)
  }

  /** What may be listed, a bucket at a time. */
  async *#described(
    subject: Digest,
    { after, artifactType }: ReferrerQuery,
  ): AsyncIterable<readonly RememberedReferrer[]> {
    for await (const bucket of this.#parts.links.buckets(subject, { after })) {
      const referrers = await this.#parts.descriptors.of(bucket)
      yield artifactType === undefined
        ? referrers
        : referrers.filter(({ known }) => known.descriptor.artifactType === artifactType)
    }
  }

  /** Those of the group whose manifests are there, with all their annotations. A group that needs no look-up costs
   *  nothing but itself: lists are long. */
  async #present(
    subject: Digest,
    group: readonly RememberedReferrer[],
    { always }: { always: boolean },
  ): Promise<readonly ReferrerDescriptor[]> {
    const since = always ? Number.POSITIVE_INFINITY : performance.now() - TRUSTED_MS
    const isCertain = ({ known, seenAt }: RememberedReferrer) => seenAt > since && !known.abridged
    if (group.every(isCertain)) return group.map(({ known }) => known.descriptor)
    const looked = group.map(async (referrer) => {
      if (!(await this.#isThere(referrer, since))) return undefined
      return this.#parts.descriptors.whole(subject, referrer.known)
    })
    return (await Promise.all(looked)).filter((descriptor) => descriptor !== undefined)
  }

  async #isThere(referrer: RememberedReferrer, since: number): Promise<boolean> {
    if (referrer.seenAt > since) return true
    const now = performance.now()
    if (!(await this.#parts.links.isThere(referrer.known.descriptor.digest))) return false
    referrer.seenAt = now
    return true
  }
}
