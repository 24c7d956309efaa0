import { ErrorReply } from '@redis/client'
import type { CircuitBreaker } from './circuit-breaker.ts'
import type { RedisConnection } from './connection.ts'
import { TOMBSTONE } from './entries.ts'

export interface EvictionsOptions {
  readonly connection: RedisConnection
  readonly circuit: CircuitBreaker
  readonly onError: (error: unknown) => void
}

/** How long an evicted entry's place is kept from being taken. Whoever looks something up for longer than half of it
 *  does not write down what it found. */
export const TOMBSTONE_TTL_MS = 60_000

/** What must go from Redis. What Redis does not take is kept here, and tried again until it does; until then what Redis
 *  says of it counts for nothing. */
export class Evictions {
  readonly #options: EvictionsOptions
  readonly #pending = new Set<string>()

  constructor(options: EvictionsOptions) {
    this.#options = options
  }

  has(key: string): boolean {
    return this.#pending.has(key)
  }

  get pending(): number {
    return this.#pending.size
  }

  /** Fulfilled when it is gone from Redis, or kept for later. */
  async add(key: string): Promise<void> {
    this.#pending.add(key)
    if (this.#pending.size > MAX_PENDING) this.#dropOldest()
    try {
      await this.#options.circuit.call(() => this.#bury(key))
    } catch (error) {
      this.#options.onError(error)
    }
  }

  /** Tries again what is pending.
   *  @throws when Redis still does not take one of them */
  async retry(): Promise<void> {
    await Promise.all([...this.#pending].map((key) => this.#bury(key)))
  }

  async #bury(key: string): Promise<void> {
    const { connection } = this.#options
    try {
      await connection.set(key, TOMBSTONE, { ttlMs: TOMBSTONE_TTL_MS })
    } catch (error) {
      // A Redis that is full takes nothing new, but still deletes.
      if (!(error instanceof ErrorReply)) throw error
      await connection.delete(key)
    }
    this.#pending.delete(key)
  }

  /** Its entry in Redis then lives to its end. */
  #dropOldest(): void {
    const [oldest] = this.#pending
    if (oldest !== undefined) this.#pending.delete(oldest)
  }
}

const MAX_PENDING = 100_000
