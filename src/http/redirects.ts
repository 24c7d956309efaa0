import type { BlockList } from 'node:net'
import type { Digest } from '../core/digest.ts'
import { isWithin, networkList } from '../core/networks.ts'
import type { Exchange } from './exchange.ts'
import { matchesEtag } from './ranges.ts'
import { wildcard } from './wildcard.ts'

export interface RedirectsOptions {
  /** Of clients whom blobs are sent to: addresses and CIDR ranges. */
  readonly addresses?: readonly string[]
  /** Of such clients too: what `User-Agent` says, with `*` for any text. */
  readonly userAgents?: readonly string[]
}

/** Decides which clients fetch a blob from the storage by themselves. */
export class Redirects {
  /** Undefined where no address is excepted: then nobody's is looked for. */
  readonly #addresses: BlockList | undefined
  readonly #userAgents: readonly ((userAgent: string) => boolean)[]

  constructor({ addresses = [], userAgents = [] }: RedirectsOptions = {}) {
    this.#addresses = addresses.length === 0 ? undefined : networkList(addresses)
    this.#userAgents = userAgents.map(wildcard)
  }

  /** Whether a GET is for the storage to answer. It is not where the client has the blob, nor where it asks for several
   *  ranges, which object stores do not send. */
  suit(exchange: Exchange, digest: Digest): boolean {
    const { headers } = exchange.request
    return (
      headers.range?.includes(',') !== true &&
      !matchesEtag(headers['if-none-match'], `"${digest}"`) &&
      !this.#isExcepted(exchange)
    )
  }

  #isExcepted(exchange: Exchange): boolean {
    if (this.#addresses !== undefined && isWithin(this.#addresses, exchange.address)) return true
    const userAgent = exchange.request.headers['user-agent'] ?? ''
    return this.#userAgents.some((matches) => matches(userAgent))
  }
}
