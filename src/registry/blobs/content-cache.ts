import { LRUCache } from 'lru-cache'
import type { Digest } from '../../core/digest.ts'

export interface ContentCacheOptions {
  /** Limit of all content together, in bytes; 0 disables the cache. */
  readonly maxBytes: number
}

/** Image configurations and attestations are rarely larger. */
export const MAX_SMALL_BYTES = 128 * 1024

/** Manifests and small blobs in memory by canonical digest, least recently used first out. Their digests were
 *  checked, so entries never become wrong. Whether a repository has them is decided by its links. */
export class ContentCache {
  readonly #entries: LRUCache<Digest, Uint8Array> | undefined

  constructor({ maxBytes }: ContentCacheOptions) {
    this.#entries =
      maxBytes > 0
        ? new LRUCache({ maxSize: maxBytes, sizeCalculation: ({ length }) => length || 1 })
        : undefined
  }

  /** True if a blob of this size is read whole and cached. Manifests always are. */
  admits(size: number): boolean {
    return this.#entries !== undefined && size <= MAX_SMALL_BYTES
  }

  get(canonical: Digest): Uint8Array | undefined {
    return this.#entries?.get(canonical)
  }

  /** Removes content whose file was deleted. */
  delete(canonical: Digest): void {
    this.#entries?.delete(canonical)
  }

  /** Caches content.
   *  @param content has this digest, and is not modified afterwards
   *  @returns the content; if cached, in a buffer no larger than its size */
  keep(canonical: Digest, content: Uint8Array): Uint8Array {
    if (this.#entries === undefined) return content
    const own =
      content.length === content.buffer.byteLength ? content : Buffer.allocUnsafeSlow(content.length)
    if (own !== content) own.set(content)
    this.#entries.set(canonical, own)
    return own
  }
}
