import type { IncomingHttpHeaders } from 'node:http'
import type { BlockList } from 'node:net'
import type { Digest } from '../../core/digest.ts'
import { isWithin, networkList } from '../../lib/networks.ts'
import { matchesEtag } from '../request/ranges.ts'
import { wildcard } from '../request/wildcard.ts'

export interface RedirectsOptions {
  /** Of clients whom blobs are sent to: addresses and CIDR ranges. */
  readonly addresses?: readonly string[]
  /** Of such clients too: what `User-Agent` says, with `*` for any text. */
  readonly userAgents?: readonly string[]
}

/** What counts of a request for a blob. */
export interface BlobRequest {
  readonly request: { readonly headers: IncomingHttpHeaders }
  /** The client's IP address. */
  readonly address: string
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
  suit(blobRequest: BlobRequest, digest: Digest): boolean {
    const { headers } = blobRequest.request
    return (
      headers.range?.includes(',') !== true &&
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
