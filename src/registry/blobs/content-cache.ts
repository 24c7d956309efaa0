import { LRUCache } from 'lru-cache'
import type { Digest } from '../../core/digest.ts'

export interface ContentCacheOptions {
  /** How many bytes are kept together; 0 for none. */
  readonly maxBytes: number
}

/** What an image's configuration or an attestation rarely exceeds. */
export const MAX_SMALL_BYTES = 128 * 1024

/** Manifests and small blobs by their canonical digests, those used last. What is here was checked against its digest,
 *  so it is right for ever; whether a repository shows it is decided elsewhere. */
export class ContentCache {
  readonly #entries: LRUCache<Digest, Uint8Array> | undefined

  constructor({ maxBytes }: ContentCacheOptions) {
    this.#entries =
      maxBytes > 0
        ? new LRUCache({ maxSize: maxBytes, sizeCalculation: ({ length }) => length || 1 })
        : undefined
  }

  /** True for a blob that is to be read whole and kept. A manifest is, whatever its size. */
  admits(size: number): boolean {
    return this.#entries !== undefined && size <= MAX_SMALL_BYTES
  }

  get(canonical: Digest): Uint8Array | undefined {
    return this.#entries?.get(canonical)
  }

  /** For content whose file is gone. */
  delete(canonical: Digest): void {
    this.#entries?.delete(canonical)
  }

  /** @param content has this digest; it is not changed afterwards
   *  @returns the content, in memory of no more than its size when it is kept */
  keep(canonical: Digest, content: Uint8Array): Uint8Array {
    if (this.#entries === undefined) return content
    const own =
      content.length === content.buffer.byteLength ? content : Buffer.allocUnsafeSlow(content.length)
    if (own !== content) own.set(content)
    this.#entries.set(canonical, own)
    return own
  }
}
