import type { CircuitBreaker } from './circuit-breaker.ts'
import { type RedisConnection, replaceOrDelete } from './connection.ts'
import { TOMBSTONE } from './entries.ts'
import type { Generation } from './generation.ts'

export interface EvictionsOptions {
  readonly connection: RedisConnection
  readonly circuit: CircuitBreaker
  readonly generation: Generation
  readonly onFailure: (error: unknown) => void
}

/** Lifetime of a tombstone. Lookups that take longer than half of it are not written. */
export const TOMBSTONE_TTL_MS = 60_000

/** Time limit of evictions: longer than that of lookups, because a failure ends the generation, and with it
 *  all entries. */
const PATIENCE_MS = 500

const MAX_PENDING = 100_000

/** Evicts entries from Redis. If that fails, the generation ends, so that no process trusts Redis's
 *  entries. */
export class Evictions {
  readonly #options: EvictionsOptions
  /** Evictions that Redis has not taken yet. */
  readonly #pending = new Set<string>()

  constructor(options: EvictionsOptions) {
    this.#options = options
  }

  get pending(): number {
    return this.#pending.size
  }

  /** Resolves once no process finds the entries in Redis any more; or, if Redis failed, once all processes
   *  stop to trust Redis within `BELIEF_MS`, even if this one ends.
   *  @throws the storage's error; then neither is certain */
  async evict(keys: readonly string[]): Promise<void> {
    const { circuit, generation } = this.#options
    for (const key of keys) this.evictLater(key)
    if (circuit.isOpen && (await generation.isEnded())) return
    await generation.confirmEviction({ isTaken: await this.#isTaken(keys) })
  }

  /** Evicts in the background, before Redis is used again. For entries that need not end a generation. */
  evictLater(key: string): void {
    this.#pending.add(key)
    const [oldest] = this.#pending
    if (this.#pending.size > MAX_PENDING && oldest !== undefined) this.#pending.delete(oldest)
  }

  /** Retries the pending evictions.
   *  @throws Error if Redis still rejects one */
  async retry(): Promise<void> {
    await Promise.all([...this.#pending].map((key) => this.bury(key)))
  }

  async #isTaken(keys: readonly string[]): Promise<boolean> {
    const { circuit, onFailure } = this.#options
    try {
      await circuit.inTime(Promise.all(keys.map((key) => this.bury(key))), PATIENCE_MS)
      return true
    } catch (error) {
      onFailure(error)
      return false
    }
  }

  /** Replaces an entry by a tombstone. */
  async bury(key: string): Promise<void> {
    const { connection } = this.#options
    await replaceOrDelete(connection, key, { value: TOMBSTONE, ttlMs: TOMBSTONE_TTL_MS })
    this.#pending.delete(key)
  }
}
