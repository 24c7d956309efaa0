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

/** How long an evicted entry's place is kept from being taken. Whoever looks something up for longer than half of it
 *  does not write down what it found. */
export const TOMBSTONE_TTL_MS = 60_000

/** How long Redis has to take an eviction: longer than for what is only quicker with it, because what others remember is
 *  lost otherwise. */
const PATIENCE_MS = 500

const MAX_PENDING = 100_000

/** What must go from Redis. When it can't, the generation ends, so that nobody believes what Redis has. */
export class Evictions {
  readonly #options: EvictionsOptions
  /** What Redis did not take yet. */
  readonly #pending = new Set<string>()

  constructor(options: EvictionsOptions) {
    this.#options = options
  }

  get pending(): number {
    return this.#pending.size
  }

  /** Fulfilled when nobody finds it in Redis any more, or, where Redis did not take it, when everybody stops to believe
   *  Redis within `BELIEF_MS`, whatever becomes of this process.
   *  @throws what the storage fails with: then neither is sure */
  async evict(keys: readonly string[]): Promise<void> {
    const { circuit, generation } = this.#options
    for (const key of keys) this.evictLater(key)
    if (circuit.isOpen && (await generation.isEnded())) return
    await generation.confirmEviction({ isTaken: await this.#isTaken(keys) })
  }

  /** For what is not wrong enough to end a generation. It is tried before Redis is used again. */
  evictLater(key: string): void {
    this.#pending.add(key)
    const [oldest] = this.#pending
    if (this.#pending.size > MAX_PENDING && oldest !== undefined) this.#pending.delete(oldest)
  }

  /** Tries again what is pending.
   *  @throws when Redis still does not take one of them */
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

  /** Puts a tombstone in its place. */
  async bury(key: string): Promise<void> {
    const { connection } = this.#options
    await replaceOrDelete(connection, key, { value: TOMBSTONE, ttlMs: TOMBSTONE_TTL_MS })
    this.#pending.delete(key)
  }
}
