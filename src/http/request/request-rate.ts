import { LRUCache } from 'lru-cache'
import { RegistryError } from '../../core/errors.ts'
import { atMost } from '../../lib/at-most.ts'

interface Bucket {
  tokens: number
  filledAt: number
}

const MAX_BUCKETS = 50_000

/** Limits the requests per second of each user or address. Bursts of one second's worth are allowed. */
export class RequestRate {
  readonly #perSecond: number
  readonly #buckets = new LRUCache<string, Bucket>(atMost(MAX_BUCKETS))

  constructor(perSecond: number) {
    this.#perSecond = perSecond
  }

  /** Counts one request.
   *  @throws RegistryError TOOMANYREQUESTS */
  take(of: string, now = performance.now()): void {
    const bucket = this.#bucket(of, now)
    const earned = ((now - bucket.filledAt) / 1000) * this.#perSecond
    bucket.tokens = Math.min(this.#perSecond, bucket.tokens + earned)
    bucket.filledAt = now
    if (bucket.tokens < 1) {
      throw new RegistryError('TOOMANYREQUESTS', {
        message: `at most ${this.#perSecond} requests per second`,
      })
    }
    bucket.tokens -= 1
  }

  #bucket(of: string, now: number): Bucket {
    const known = this.#buckets.get(of)
    if (known !== undefined) return known
    const bucket = { tokens: this.#perSecond, filledAt: now }
    this.#buckets.set(of, bucket)
    return bucket
  }
}
