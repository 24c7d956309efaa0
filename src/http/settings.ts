import type { BlockList } from 'node:net'
import type { Redirects } from './reply/redirects.ts'

/** What the wire needs to know of the configuration. */
export interface HttpSettings {
  /** What stands before `/v2/`: empty, or `/…` without a slash at its end. */
  readonly prefix: string
  /** The origin that clients see, where it was configured. */
  readonly publicUrl: URL | undefined
  /** Locations are paths, so that no forged host can enter them. */
  readonly relativeUrls: boolean
  /** Whose forwarding headers are believed. */
  readonly trustedProxies: BlockList
  /** Added to every answer; the names in lower case. */
  readonly extraHeaders: Readonly<Record<string, string[]>>
  readonly deleteEnabled: boolean
  readonly readOnly: boolean
  /** Which clients are sent to the storage's own URLs, where it has them; undefined for none. */
  readonly redirects: Redirects | undefined
  readonly maxCatalogEntries: number
  readonly maxTags: number
  readonly accessLog: boolean
  /** HTTP/2 without TLS is served too. */
  readonly h2c: boolean
  /** Of each user, or of each address of those who have no name; 0 for any number. */
  readonly requestsPerSecond: number
  readonly limits: HttpLimits
}

export interface HttpLimits {
  /** For the whole header of a request. */
  readonly headerTimeoutSeconds: number
  readonly keepAliveSeconds: number
  /** podman asks for up to a thousand ranges in one header. */
  readonly maxHeaderBytes: number
  /** The slowest average transfer that is tolerated. */
  readonly minBytesPerSecond: number
  /** How long a transfer may be slower. */
  readonly stallSeconds: number
}

export const defaultLimits: HttpLimits = {
  headerTimeoutSeconds: 10,
  keepAliveSeconds: 75,
  maxHeaderBytes: 64 * 1024,
  minBytesPerSecond: 1024,
  stallSeconds: 30,
}
