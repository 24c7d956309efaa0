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

/** Another registry may remove manifests and leave their links: so many of one list are checked every time,
 *  the others from time to time. */
const ALWAYS_LOOKED_UP = 64
const TRUSTED_MS = 60_000

/** Manifests that are checked concurrently. */
const LOOK_UPS = 16

/** A repository's manifests by subject. The links are listed in order; the descriptors are cached in memory
 *  and in summaries beside the links. See docs/decisions/004-lists-of-referrers.md. */
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
        // Not `yield*`, which creates three promises for each.
        for (const descriptor of there) yield descriptor
        position += group.length
      }
    }
  }

  /** Adds the link of a manifest that is about to be stored. */
  add(referrer: LinkedReferrer, { after }: { after: Promise<unknown> }): Promise<void> {
    return this.#parts.links.add(referrer, { after })
  }

  /** Called once the manifest is stored. */
  async added(referrer: LinkedReferrer, payload: Uint8Array): Promise<void> {
    await this.#parts.links.confirm(referrer)
    await this.#parts.descriptors.add(referrer.subject, parseReferrer(payload, referrer.name).descriptor)
  }

  /** Called once the manifest is removed. */
  async removed(referrer: LinkedReferrer): Promise<void> {
    this.#parts.descriptors.removed(referrer.subject, referrer.name)
    await this.#parts.links.remove(referrer)
  }

  /** The descriptors of the existing links, a bucket at a time. */
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

  /** The referrers of a group whose manifests exist, with all their annotations. Costs no promise if none
   *  must be checked: lists are long. */
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
