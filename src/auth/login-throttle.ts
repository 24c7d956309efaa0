import { isIPv6 } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { LRUCache } from 'lru-cache'
import pLimit, { type LimitFunction } from 'p-limit'
import type { LoginClient } from '../core/access/access-controller.ts'
import { RegistryError } from '../core/errors.ts'
import { atMost } from '../lib/at-most.ts'

export interface LoginThrottleOptions {
  /** Number of failures without a delay, for typing errors. */
  readonly free?: number
  /** Delay after the first counted failure; doubled after each further one. */
  readonly firstDelayMs?: number
  readonly maxDelayMs?: number
  /** Time after which one failure is forgotten. */
  readonly forgetMs?: number
  /** Limit of waiting attempts at one name from one address. */
  readonly maxWaiting?: number
}

const DEFAULTS: Required<LoginThrottleOptions> = {
  free: 5,
  firstDelayMs: 125,
  maxDelayMs: 1_000,
  forgetMs: 10_000,
  maxWaiting: 50,
}

/** A login attempt: the client's address and the user's name. */
export interface LoginAttempt {
  readonly client: LoginClient
  readonly username: string
}

/** The attempts at one name from one address. */
interface Attempts {
  failures: number
  /** Time of the last count of failures. */
  countedAt: number
  readonly inTurn: LimitFunction
}

const MAX_KEPT = 10_000

/** Limit of waiting names of one address. */
const MAX_WAITING_NAMES = 1_000

/** The network of an address: for IPv6 the first 64 bits, which one customer usually has as a whole. */
function networkOf(address: string): string {
  if (!isIPv6(address)) return address
  const [before = '', after] = address.split('::')
  const head = before.split(':').filter(Boolean)
  const tail = after?.split(':').filter(Boolean) ?? []
  const zeros = Array<string>(Math.max(0, 8 - head.length - tail.length)).fill('0')
  return [...head, ...(after === undefined ? [] : zeros), ...tail].slice(0, 4).join(':')
}

/** Slows down password guessing: each failed login delays further attempts at the same name from the same
 *  address, and no others. Each address has one attempt verified at a time, and each name at most one attempt
 *  in that queue, so names take turns. No account is ever locked. */
export class LoginThrottle {
  readonly #attempts = new LRUCache<string, Attempts>(atMost(MAX_KEPT))
  readonly #addresses = new LRUCache<string, LimitFunction>(atMost(MAX_KEPT))
  readonly #options: Required<LoginThrottleOptions>

  constructor(options: LoginThrottleOptions = {}) {
    this.#options = { ...DEFAULTS, ...options }
  }

  /** Runs `login` in its turn. If it resolves to undefined the attempt has failed. Attempts of clients that
   *  have left run too, because others may wait for the same result, but without a delay.
   *  @throws RegistryError TOOMANYREQUESTS if too many wait already */
  attempt<Result>(
    { client, username }: LoginAttempt,
    login: () => Promise<Result | undefined>,
  ): Promise<Result | undefined> {
    const network = networkOf(client.address)
    const turns = this.#turnsOf(network)
    const attempts = this.#attemptsAt(`${network} ${username}`)
    if (attempts.inTurn.pendingCount >= this.#options.maxWaiting || turns.pendingCount >= MAX_WAITING_NAMES) {
      throw new RegistryError('TOOMANYREQUESTS', { message: 'too many logins at once; try again later' })
    }
    return attempts.inTurn(async () => {
      const waitMs = client.hasLeft ? 0 : this.#penaltyMs(attempts)
      if (waitMs > 0) await delay(waitMs)
      const result = await turns(login)
      if (result === undefined) this.#countFailure(attempts)
      return result
    })
  }

  #turnsOf(network: string): LimitFunction {
    const known = this.#addresses.get(network)
    if (known !== undefined) return known
    const turns = pLimit(1)
    this.#addresses.set(network, turns)
    return turns
  }

  #attemptsAt(key: string): Attempts {
    const known = this.#attempts.get(key)
    if (known !== undefined) return known
    const attempts = { failures: 0, countedAt: performance.now(), inTurn: pLimit(1) }
    this.#attempts.set(key, attempts)
    return attempts
  }

  #penaltyMs(attempts: Attempts): number {
    const { free, firstDelayMs, maxDelayMs } = this.#options
    const excess = this.#failures(attempts) - free
    return excess < 0 ? 0 : Math.min(firstDelayMs * 2 ** excess, maxDelayMs)
  }

  #failures({ failures, countedAt }: Attempts): number {
    return Math.max(0, failures - Math.floor((performance.now() - countedAt) / this.#options.forgetMs))
  }

  /** Counts a failure. The count stops where the delay does, so that the delay ends soon after the
   *  attempts. */
  #countFailure(attempts: Attempts): void {
    const { free, firstDelayMs, maxDelayMs } = this.#options
    const most = free + 1 + Math.max(0, Math.ceil(Math.log2(maxDelayMs / firstDelayMs)))
    attempts.failures = Math.min(this.#failures(attempts) + 1, most)
    attempts.countedAt = performance.now()
  }
}
