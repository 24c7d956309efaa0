import type { Digest } from '../../core/digest.ts'

/** Counts the bytes that only one of the removed manifests holds. */
export class HeldBytes {
  /** The manifest that holds a blob; undefined if several do. */
  readonly #holders = new Map<Digest, Digest | undefined>()
  readonly #bytes = new Map<Digest, number>()

  /** @param blobs everything that the manifest needs, and its own bytes */
  add(manifest: Digest, blobs: readonly Digest[]): void {
    for (const blob of blobs) {
      const isOther = this.#holders.has(blob) && this.#holders.get(blob) !== manifest
      this.#holders.set(blob, isOther ? undefined : manifest)
    }
  }

  /** A blob that no other manifest needs. */
  count(blob: Digest, size: number): void {
    const manifest = this.#holders.get(blob)
    if (manifest !== undefined) this.#bytes.set(manifest, this.of(manifest) + size)
  }

  of(manifest: Digest): number {
    return this.#bytes.get(manifest) ?? 0
  }
}
