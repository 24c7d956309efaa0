import { AsyncLocalStorage } from 'node:async_hooks'

/** The request that a change is made for, in the words of Distribution's events. */
export interface RequestOrigin {
  readonly id: string
  /** Of the client: what the proxies say, or its address and port. */
  readonly address: string
  /** The header `Host`. */
  readonly host: string
  readonly method: string
  readonly userAgent: string
  /** The authenticated client; empty for the anonymous one. */
  readonly actor: string
  /** The registry's URL as the client sees it, with the prefix and without a trailing slash; empty if unknown. */
  readonly baseUrl: string
}

/** Tells decorators of `Registry` the request of a call. Attached only if one needs it. */
export class RequestScope {
  readonly #storage = new AsyncLocalStorage<RequestOrigin>()

  run<Result>(origin: RequestOrigin, work: () => Result): Result {
    return this.#storage.run(origin, work)
  }

  /** Undefined for what the registry does by itself. */
  get current(): RequestOrigin | undefined {
    return this.#storage.getStore()
  }
}
