import { isIPv6 } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { LRUCache } from 'lru-cache'
import pLimit, { type LimitFunction } from 'p-limit'
import { RegistryError } from '../core/errors.ts'

export interface LoginThrottleOptions {
  /** How many failures cost nothing: people mistype. */
  readonly free?: number
  /** How long the next attempt waits; twice as long after every further failure. */
  readonly firstDelayMs?: number
  readonly maxDelayMs?: number
  /** One failure is forgotten in this time. */
  readonly forgetMs?: number
  /** How many attempts of one address may wait for their turn. */
  readonly maxWaiting?: number
}

const DEFAULTS: Required<LoginThrottleOptions> = {
  free: 5,
  firstDelayMs: 250,
  maxDelayMs: 8_000,
  forgetMs: 10_000,
  maxWaiting: 50,
}

interface Address {
  failures: number
  /** When the failures were last counted. */
  countedAt: number
  readonly inTurn: LimitFunction
}

const MAX_ADDRESSES = 10_000

/** An IPv6 address as the network that its owner has all of: the first 64 bits. */
function networkOf(address: string): string {
  if (!isIPv6(address)) return address
  const [before = '', after] = address.split('::')
  const head = before.split(':').filter(Boolean)
  const tail = after?.split(':').filter(Boolean) ?? []
  const zeros = Array<string>(Math.max(0, 8 - head.length - tail.length)).fill('0')
  return [...head, ...(after === undefined ? [] : zeros), ...tail].slice(0, 4).join(':')
}

/** Slows the logins of an address down the more of them fail, and nobody else's. They are tried one after the other.
 *  Nobody is locked out: the right password is good after the wait, and one that is remembered does not come here. */
export class LoginThrottle {
  readonly #addresses = new LRUCache<string, Address>({ max: MAX_ADDRESSES })
  readonly #options: Required<LoginThrottleOptions>

  constructor(options: LoginThrottleOptions = {}) {
    this.#options = { ...DEFAULTS, ...options }
  }

  /** Makes an attempt when its turn has come. One that comes to undefined has failed.
   *  @throws RegistryError TOOMANYREQUESTS when too many wait already */
  attempt<Result>(from: string, login: () => Promise<Result | undefined>): Promise<Result | undefined> {
    const address = this.#address(networkOf(from))
    if (address.inTurn.pendingCount >= this.#options.maxWaiting) {
      throw new RegistryError('TOOMANYREQUESTS', { message: 'too many logins at once; try again later' })
    }
    return address.inTurn(async () => {
      const waitMs = this.#penaltyMs(address)
      if (waitMs > 0) await delay(waitMs)
      const result = await login()
      if (result === undefined) this.#countFailure(address)
      return result
    })
  }

  #address(from: string): Address {
    const known = this.#addresses.get(from)
    if (known !== undefined) return known
    const address = { failures: 0, countedAt: performance.now(), inTurn: pLimit(1) }
    this.#addresses.set(from, address)
    return address
  }

  #penaltyMs(address: Address): number {
    const { free, firstDelayMs, maxDelayMs } = this.#options
    const excess = this.#failures(address) - free
    return excess < 0 ? 0 : Math.min(firstDelayMs * 2 ** excess, maxDelayMs)
  }

  #failures({ failures, countedAt }: Address): number {
    return Math.max(0, failures - Math.floor((performance.now() - countedAt) / this.#options.forgetMs))
  }

  #countFailure(address: Address): void {
    address.failures = this.#failures(address) + 1
    address.countedAt = performance.now()
  }
}
