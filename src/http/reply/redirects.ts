import type { IncomingHttpHeaders } from 'node:http'
import type { BlockList } from 'node:net'
import type { Digest } from '../../core/digest.ts'
import { isWithin, networkList } from '../../lib/networks.ts'
import { matchesEtag } from '../request/ranges.ts'
import { wildcard } from '../request/wildcard.ts'

export interface RedirectsOptions {
  /** Clients that are not redirected, by address or CIDR range. */
  readonly addresses?: readonly string[]
  /** Clients that are not redirected, by `User-Agent`; `*` matches any text. */
  readonly userAgents?: readonly string[]
}

/** The properties of a blob request that matter. */
export interface BlobRequest {
  readonly request: { readonly headers: IncomingHttpHeaders }
  /** The client's IP address. */
  readonly address: string
}

/** Decides which clients are redirected to storage. */
export class Redirects {
  /** Undefined if no addresses are excepted: the client's is not computed then. */
  readonly #addresses: BlockList | undefined
  readonly #userAgents: readonly ((userAgent: string) => boolean)[]

  constructor({ addresses = [], userAgents = [] }: RedirectsOptions = {}) {
    this.#addresses = addresses.length === 0 ? undefined : networkList(addresses)
    this.#userAgents = userAgents.map(wildcard)
  }

  /** True if a GET may be redirected. False if the client has the blob already, or asks for several ranges,
   *  which object stores do not support, or is the web page, which may not load from another origin (Fetch
   *  Metadata, https://www.w3.org/TR/fetch-metadata/). */
  suit(blobRequest: BlobRequest, digest: Digest): boolean {
    const { headers } = blobRequest.request
    return (
      headers.range?.includes(',') !== true &&
      headers['sec-fetch-site'] !== 'same-origin' &&
      !matchesEtag(headers['if-none-match'], `"${digest}"`) &&
      !this.#isExcepted(blobRequest)
    )
  }

  #isExcepted({ request, address }: BlobRequest): boolean {
    if (this.#addresses !== undefined && isWithin(this.#addresses, address)) return true
    const userAgent = request.headers['user-agent'] ?? ''
    return this.#userAgents.some((matches) => matches(userAgent))
  }
}
