import { LRUCache } from 'lru-cache'
import type { Digest } from '../../core/digest.ts'
import type { KnownReferrer } from './summary.ts'

/** A referrer, and the time when its manifest was last known to exist, by `performance.now()`. */
export interface RememberedReferrer {
  readonly known: KnownReferrer
  seenAt: number
}

const NEVER = Number.NEGATIVE_INFINITY

/** The remembered referrers of one summary. */
export class RememberedBucket {
  readonly #referrers = new Map<Digest, RememberedReferrer>()
  #unsummarised: Digest[] = []
  #length = 0

  /** Approximate size in memory, in bytes. */
  get size(): number {
    return BUCKET_OVERHEAD + this.#length + this.#referrers.size * REFERRER_OVERHEAD
  }

  get(name: Digest): RememberedReferrer | undefined {
    return this.#referrers.get(name)
  }

  add(known: KnownReferrer): RememberedReferrer {
    const { digest } = known.descriptor
    const before = this.#referrers.get(digest)
    if (before !== undefined) return before
    const remembered = { known, seenAt: NEVER }
    this.#referrers.set(digest, remembered)
    this.#length += JSON.stringify(known).length
    return remembered
  }

  /** Forgets that a deleted manifest exists; its descriptor stays valid if it is pushed again. */
  unsee(name: Digest): void {
    const remembered = this.#referrers.get(name)
    if (remembered !== undefined) remembered.seenAt = NEVER
  }

  /** Adds a referrer that the summary lacks. Returns all of those once there are `enough`, and starts
   *  anew. */
  addUnsummarised(name: Digest, enough: number): readonly KnownReferrer[] {
    this.#unsummarised.push(name)
    if (this.#unsummarised.length < enough) return []
    const names = new Set(this.#unsummarised)
    this.#unsummarised = []
    return [...names].map((one) => this.get(one)?.known).filter((known) => known !== undefined)
  }
}

/** The referrers that this process has listed or stored last, of all repositories. */
export class ReferrerMemory {
  readonly #buckets = new LRUCache<string, RememberedBucket>({
    maxSize: MAX_BYTES,
    sizeCalculation: ({ size }) => size,
  })

  /** The bucket of a summary.
   *  @param summary its path */
  bucket(summary: string): RememberedBucket {
    return this.#buckets.get(summary) ?? new RememberedBucket()
  }

  /** Must be called when a bucket has grown, because its size has changed. */
  keep(summary: string, bucket: RememberedBucket): void {
    this.#buckets.delete(summary)
    this.#buckets.set(summary, bucket)
  }
}

const MAX_BYTES = 32 * 1024 * 1024
const BUCKET_OVERHEAD = 1024
const REFERRER_OVERHEAD = 400

/** An index under a fallback tag, as this process has read it. */
export interface SeenIndex {
  readonly index: Digest
  /** Manifests of its list that have a link, or need none. */
  readonly settled: ReadonlySet<Digest>
  /** Time when every manifest of the list was looked up, by `performance.now()`. */
  readonly lookedUpAt: number
}

/** The indexes that this process has read last under fallback tags, of all repositories, by the path of the
 *  tag's link. */
export class FallbackMemory {
  readonly #seen = new LRUCache<string, SeenIndex>({
    maxSize: MAX_SETTLED,
    sizeCalculation: ({ settled }) => 1 + settled.size,
  })

  get(path: string): SeenIndex | undefined {
    return this.#seen.get(path)
  }

  set(path: string, seen: SeenIndex): void {
    this.#seen.set(path, seen)
  }
}

/** Number of digests, of some 150 bytes each. */
const MAX_SETTLED = 200_000
