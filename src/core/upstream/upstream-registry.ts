/** The port to another registry, from which content is fetched. `client/` implements it over HTTP. */
import type { ReferrerDescriptor } from '../descriptor.ts'
import type { Digest } from '../digest.ts'
import type { RepositoryName, Tag } from '../reference.ts'

/** Every method throws `UpstreamError` only, or the reason of its `AbortSignal`. */
export interface UpstreamRegistry {
  /** Its host, with the port if it has one. */
  readonly host: string
  /** The upstream's last stated rate limit. */
  readonly rateLimit: RateLimit | undefined
  /** OCI Distribution Specification 1.1, "Checking if content exists in the registry". */
  headManifest(
    repository: RepositoryName,
    reference: Tag | Digest,
    options?: CallOptions,
  ): Promise<ManifestHead>
  /** The bytes as they were sent; their digest is the caller's to check. */
  getManifest(
    repository: RepositoryName,
    reference: Tag | Digest,
    options?: CallOptions,
  ): Promise<UpstreamManifest>
  /** @returns its size in bytes; undefined if the upstream does not say */
  headBlob(repository: RepositoryName, digest: Digest, options?: CallOptions): Promise<number | undefined>
  openBlob(repository: RepositoryName, digest: Digest, options?: OpenBlobOptions): Promise<UpstreamBlob>
  /** All tags, through all pages, in the upstream's order. */
  tags(repository: RepositoryName, options?: CallOptions): AsyncIterable<string>
  /** The catalog, through all pages, in the upstream's order. */
  repositories(options?: CallOptions): AsyncIterable<string>
  /** The manifests that refer to a subject, through all pages, or by the fallback tag where the upstream has
   *  no such list. */
  referrers(
    repository: RepositoryName,
    subject: Digest,
    options?: CallOptions,
  ): Promise<readonly ReferrerDescriptor[]>
  /** Aborts running requests. */
  close(): Promise<void>
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined
}

export interface OpenBlobOptions extends CallOptions {
  /** The first byte that is wanted. Default: 0. */
  readonly start?: number
  /** The last byte that is wanted. Default: the last there is. */
  readonly end?: number | undefined
  /** Of the answer that is to be continued, if it was a strong one. */
  readonly etag?: string | undefined
}

export interface ManifestHead {
  /** Undefined if the upstream does not say. */
  readonly digest: Digest | undefined
}

export interface UpstreamManifest extends ManifestHead {
  readonly payload: Uint8Array
  readonly contentType: string | undefined
}

export interface UpstreamBlob {
  /** Of the whole blob, in bytes; undefined if the upstream does not say. */
  readonly size: number | undefined
  /** A strong entity tag. */
  readonly etag: string | undefined
  /** The bytes from `start` on. To be iterated, passed on, or ended (`return`). */
  readonly chunks: ReceivedBytes
}

/** Bytes as they arrive, for one reader. Each chunk of an iteration is the reader's. */
export interface ReceivedBytes extends AsyncIterable<Uint8Array> {
  /** Calls `take` with each chunk as it arrives, which costs less than iteration. The chunk's memory is freed when
   *  it returns. No more are read until its promise resolves, if there is one.
   *  @throws what `take` throws; UpstreamError; the reason of the request's signal */
  passTo?(take: (chunk: Uint8Array) => Promise<void> | undefined): Promise<void>
}

/** Docker Hub's `ratelimit-limit` and `ratelimit-remaining`. */
export interface RateLimit {
  readonly limit: number | undefined
  readonly remaining: number
}
