import { hash, randomBytes } from 'node:crypto'
import { LRUCache } from 'lru-cache'
import type { Identity } from '../core/access-controller.ts'

/** An identity that was proved, and until when the proof is good: milliseconds since 1970. */
export interface Proven {
  readonly identity: Identity
  readonly until: number
}

const MAX_REMEMBERED = 10_000

/** Remembers whose credentials were good, so that only the first of many requests pays for the proof. It keeps a keyed
 *  hash of them, never themselves. What is being proved already is not proved twice. */
export class RememberedCredentials {
  readonly #key = randomBytes(32).toString('base64')
  readonly #known = new LRUCache<string, Proven>({ max: MAX_REMEMBERED })
  readonly #proving = new Map<string, Promise<Identity>>()
  #generation = 0

  get(credentials: string): Identity | undefined {
    return this.#unexpired(this.#keyOf(credentials))
  }

  /** The identity that is remembered, or that `prove` resolves to. Failures are not remembered. */
  async identify(credentials: string, prove: () => Promise<Proven>): Promise<Identity> {
    const key = this.#keyOf(credentials)
    return this.#unexpired(key) ?? this.#proving.get(key) ?? this.#prove(key, prove)
  }

  /** Lets everybody prove themselves again: users, robots or keys are not the same any more. */
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
    if (Date.now() < known.until) return known.identity
    this.#known.delete(key)
    return undefined
  }

  #prove(key: string, prove: () => Promise<Proven>): Promise<Identity> {
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
