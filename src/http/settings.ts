import type { BlockList } from 'node:net'
import type { Redirects } from './reply/redirects.ts'
import type { Namespaces } from './request/namespaces.ts'

/** The configuration of the HTTP server. */
export interface HttpSettings {
  /** Prefix of `/v2/`: empty, or `/…` without a trailing slash. */
  readonly prefix: string
  /** The origin that clients see, if configured. */
  readonly publicUrl: URL | undefined
  /** True if locations are paths without a host, so that no forged host can enter them. */
  readonly relativeUrls: boolean
  /** Proxies whose forwarding headers are trusted. */
  readonly trustedProxies: BlockList
  /** Headers of every response, with names in lower case. */
  readonly extraHeaders: Readonly<Record<string, string[]>>
  readonly deleteEnabled: boolean
  readonly readOnly: boolean
  /** Clients that are redirected to the storage's own URLs; undefined for none. */
  readonly redirects: Redirects | undefined
  /** Undefined without mirrors: `?ns=` is ignored then. */
  readonly namespaces?: Namespaces | undefined
  /** True if blobs may have TarSums as names. */
  readonly tarSums: boolean
  readonly maxCatalogEntries: number
  readonly maxTags: number
  readonly accessLog: boolean
  /** True if HTTP/2 without TLS is served. */
  readonly h2c: boolean
  /** Rate of each user, or of each address for anonymous clients; 0 for no limit. */
  readonly requestsPerSecond: number
  readonly limits: HttpLimits
}

export interface HttpLimits {
  /** Time limit of a request's header. */
  readonly headerTimeoutSeconds: number
  readonly keepAliveSeconds: number
  /** podman sends up to a thousand ranges in one header. */
  readonly maxHeaderBytes: number
  /** Minimum average throughput of a transfer. */
  readonly minBytesPerSecond: number
  /** Time for which a transfer may be slower. */
  readonly stallSeconds: number
}

export const defaultLimits: HttpLimits = {
  headerTimeoutSeconds: 10,
  keepAliveSeconds: 75,
  maxHeaderBytes: 64 * 1024,
  minBytesPerSecond: 1024,
  stallSeconds: 30,
}
