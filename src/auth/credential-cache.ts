import { hash, randomBytes } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { Identity } from '../core/access/access-controller.ts'
import { atMost } from '../lib/at-most.ts'

/** A verified login. */
export interface Authentication {
  readonly identity: Identity
  /** In milliseconds since 1970. */
  readonly expiresAt: number
}

const MAX_REMEMBERED = 10_000

/** Caches verified logins, so that only the first of many requests verifies a password or token. Stores a
 *  keyed hash of the credentials, never the credentials. Concurrent verifications of the same credentials
 *  share one. */
export class CredentialCache {
  readonly #key = randomBytes(32).toString('base64')
  readonly #known = new LRUCache<string, Authentication>(atMost(MAX_REMEMBERED))
  readonly #proving = new Map<string, Promise<Identity>>()
  #generation = 0

  get(credentials: string): Identity | undefined {
    return this.#unexpired(this.#keyOf(credentials))
  }

  /** The cached identity, or the one that `prove` resolves to. Failures are not cached. */
  async identify(credentials: string, prove: () => Promise<Authentication>): Promise<Identity> {
    const key = this.#keyOf(credentials)
    return this.#unexpired(key) ?? this.#proving.get(key) ?? this.#prove(key, prove)
  }

  /** Empties the cache, because users, robots or keys have changed. */
  forgetAll(): void {
    this.#generation += 1
    this.#known.clear()
    this.#proving.clear()
  }

  #keyOf(credentials: string): string {
    return hash('sha256', this.#key + credentials, 'base64')
  }

  #unexpired(key: string): Identity | undefined {
    const known = this.#known.get(key)
    if (known === undefined) return undefined
    if (Date.now() < known.expiresAt) return known.identity
    this.#known.delete(key)
    return undefined
  }

  #prove(key: string, prove: () => Promise<Authentication>): Promise<Identity> {
    const generation = this.#generation
    const proving = prove()
      .then((proven) => {
        if (generation === this.#generation) this.#known.set(key, proven)
        return proven.identity
      })
      .finally(() => {
        if (this.#proving.get(key) === proving) this.#proving.delete(key)
      })
    this.#proving.set(key, proving)
    return proving
  }
}
