import { LRUCache } from 'lru-cache'
import type { ReferrerDescriptor } from '../core/descriptor.ts'
import type { Digest } from '../core/digest.ts'
import { parseReferrer } from '../core/manifest/referrer.ts'
import type { RepositoryName } from '../core/reference.ts'
import type { ReferrerQuery } from '../core/registry.ts'
import type { FallbackTags } from './fallback-tag.ts'
import { mapInOrder } from './map-in-order.ts'
import type { ReferrerBackfill } from './referrer-backfill.ts'
import { bucketOf, type ReferrerBucket, type ReferrerDescriptors } from './referrer-descriptors.ts'
import type { LinkedReferrer, ReferrerLinks } from './referrer-links.ts'
import type { KnownReferrer } from './referrer-summary.ts'

/** Which manifests of long lists were there a moment ago. */
export class ReferrersSeen {
  readonly #seen = new LRUCache<string, true>({ max: 100_000, ttl: 60_000 })

  has(repository: RepositoryName, name: Digest): boolean {
    return this.#seen.has(`${repository}@${name}`)
  }

  add(repository: RepositoryName, name: Digest): void {
    this.#seen.set(`${repository}@${name}`, true)
  }

  delete(repository: RepositoryName, name: Digest): void {
    this.#seen.delete(`${repository}@${name}`)
  }
}

export interface ReferrersParts {
  readonly repository: RepositoryName
  readonly links: ReferrerLinks
  readonly descriptors: ReferrerDescriptors
  readonly backfill: ReferrerBackfill
  readonly fallbackTags: FallbackTags
  readonly seen: ReferrersSeen
  readonly readOnly: boolean
}

/** So many of one list are looked up every time, whether another registry has removed them; the others once a minute. */
const ALWAYS_LOOKED_UP = 64

const LOOK_UP_CONCURRENCY = 16

/** A repository's manifests by what they refer to. The links say which there are, in one ordered listing; what is said
 *  of each is remembered, in memory and beside the links. docs/decisions/004-lists-of-referrers.md says why. */
export class Referrers {
  readonly #parts: ReferrersParts

  constructor(parts: ReferrersParts) {
    this.#parts = parts
  }

  async *list(subject: Digest, query: ReferrerQuery = {}): AsyncIterable<ReferrerDescriptor> {
    if (!this.#parts.readOnly) {
      await this.#parts.backfill.complete()
      await this.#parts.fallbackTags.take(subject)
    }
    let position = 0
    const work = (known: KnownReferrer) => this.#present(subject, known, position++)
    const listed = this.#described(subject, query)
    for await (const descriptor of mapInOrder(listed, { concurrency: LOOK_UP_CONCURRENCY, work })) {
      if (descriptor !== undefined) yield descriptor
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
    this.#parts.seen.delete(this.#parts.repository, referrer.name)
    await this.#parts.links.remove(referrer)
  }

  async *#described(subject: Digest, { after, artifactType }: ReferrerQuery): AsyncIterable<KnownReferrer> {
    for await (const bucket of inBuckets(subject, this.#parts.links.names(subject, { after }), after)) {
      for (const known of await this.#parts.descriptors.of(bucket)) {
        if (artifactType === undefined || known.descriptor.artifactType === artifactType) yield known
      }
    }
  }

  async #present(
    subject: Digest,
    known: KnownReferrer,
    position: number,
  ): Promise<ReferrerDescriptor | undefined> {
    const { repository, links, descriptors, seen } = this.#parts
    const { digest } = known.descriptor
    if (position < ALWAYS_LOOKED_UP || !seen.has(repository, digest)) {
      if (!(await links.isThere(digest))) return undefined
      seen.add(repository, digest)
    }
    return known.abridged ? descriptors.whole({ subject, known }) : known.descriptor
  }
}

/** The names as they come, those of one bucket together. */
async function* inBuckets(
  subject: Digest,
  names: AsyncIterable<Digest>,
  after: string | undefined,
): AsyncIterable<ReferrerBucket> {
  let bucket: { key: string; names: Digest[] } | undefined
  const done = ({ key, names: some }: { key: string; names: Digest[] }): ReferrerBucket => ({
    subject,
    key,
    names: some,
    whole: after === undefined || after < key.replace('-', ':'),
  })
  for await (const name of names) {
    const key = bucketOf(name)
    if (bucket !== undefined && bucket.key !== key) yield done(bucket)
    if (bucket?.key === key) bucket.names.push(name)
    else bucket = { key, names: [name] }
  }
  if (bucket !== undefined) yield done(bucket)
}
