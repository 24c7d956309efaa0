import { LRUCache } from 'lru-cache'
import type { Digest } from '../../core/digest.ts'
import type { KnownReferrer } from './summary.ts'

/** A referrer, and when its manifest was last known to be there, by `performance.now()`. */
export interface RememberedReferrer {
  readonly known: KnownReferrer
  seenAt: number
}

const NEVER = Number.NEGATIVE_INFINITY

/** What is remembered of the referrers that share a summary. */
export class RememberedBucket {
  readonly #referrers = new Map<Digest, RememberedReferrer>()
  #unsummarised: Digest[] = []
  #length = 0

  /** About how much memory it takes, in bytes. */
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

  /** For a manifest that was deleted; what was said of it holds when it comes again. */
  unsee(name: Digest): void {
    const remembered = this.#referrers.get(name)
    if (remembered !== undefined) remembered.seenAt = NEVER
  }

  /** Counts a referrer that no summary has. Gives all of those back once there are `enough`, and counts anew. */
  addUnsummarised(name: Digest, enough: number): readonly KnownReferrer[] {
    this.#unsummarised.push(name)
    if (this.#unsummarised.length < enough) return []
    const names = new Set(this.#unsummarised)
    this.#unsummarised = []
    return [...names].map((one) => this.get(one)?.known).filter((known) => known !== undefined)
  }
}

/** What this process remembers of the referrers that it listed or took last, of all repositories. */
export class ReferrerMemory {
  readonly #buckets = new LRUCache<string, RememberedBucket>({
    maxSize: MAX_BYTES,
    sizeCalculation: ({ size }) => size,
  })

  /** @param summary the path of the bucket's summary */
  bucket(summary: string): RememberedBucket {
    return this.#buckets.get(summary) ?? new RememberedBucket()
  }

  /** To be called when something was added to the bucket: it has another size by now. */
  keep(summary: string, bucket: RememberedBucket): void {
    this.#buckets.delete(summary)
    this.#buckets.set(summary, bucket)
  }
}

const MAX_BYTES = 32 * 1024 * 1024
const BUCKET_OVERHEAD = 1024
const REFERRER_OVERHEAD = 400

/** The indexes that this process has seen under fallback tags, of all repositories: the path of the tag's link, and
 *  what it named. */
export class FallbackMemory {
  readonly #seen = new LRUCache<string, Digest>({ max: 10_000 })

  has(path: string, index: Digest): boolean {
    return this.#seen.get(path) === index
  }

  add(path: string, index: Digest): void {
    this.#seen.set(path, index)
  }
}
