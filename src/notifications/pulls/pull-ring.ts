import type { Pull } from '../../core/notifications/pull-observer.ts'
import type { RequestOrigin } from '../../core/notifications/request-scope.ts'

/** A pull that waits to be told of. */
export interface WaitingPull {
  readonly pull: Pull
  readonly origin: RequestOrigin
  /** When it happened, in milliseconds since 1970. */
  readonly at: number
}

export interface RingLimits {
  /** How many pulls wait at most. */
  readonly pulls: number
  /** How many bytes the manifests of waiting pulls have together at most. */
  readonly payloadBytes: number
}

/** Pulls in the order in which they came, in bounded memory. To add one costs three writes into arrays that stay. */
export class PullRing {
  readonly #limits: RingLimits
  readonly #pulls: (Pull | undefined)[] = []
  readonly #origins: (RequestOrigin | undefined)[] = []
  readonly #times: number[] = []
  #first = 0
  #size = 0
  #payloadBytes = 0

  constructor(limits: RingLimits) {
    this.#limits = limits
  }

  get size(): number {
    return this.#size
  }

  get isFull(): boolean {
    return this.#size >= this.#limits.pulls || this.#payloadBytes >= this.#limits.payloadBytes
  }

  /** Only if it is not full. */
  push(pull: Pull, origin: RequestOrigin): void {
    const place = (this.#first + this.#size++) % this.#limits.pulls
    this.#pulls[place] = pull
    this.#origins[place] = origin
    this.#times[place] = Date.now()
    if (pull.payload !== undefined) this.#payloadBytes += pull.payload.byteLength
  }

  /** The oldest pull, which is removed. Undefined if it is empty. */
  shift(): WaitingPull | undefined {
    const place = this.#first
    const [pull, origin, at] = [this.#pulls[place], this.#origins[place], this.#times[place]!]
    if (pull === undefined || origin === undefined) return undefined
    this.#pulls[place] = undefined
    this.#origins[place] = undefined
    this.#first = (place + 1) % this.#limits.pulls
    this.#size--
    if (pull.payload !== undefined) this.#payloadBytes -= pull.payload.byteLength
    return { pull, origin, at }
  }
}
